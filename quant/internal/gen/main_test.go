package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The committed kernels are what this generator writes.
func TestCurrent(t *testing.T) {
	for name, want := range generate() {
		got, err := os.ReadFile(filepath.Join("..", "..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")), want) {
			t.Errorf("%s is out of date: run go generate", name)
		}
	}
}
