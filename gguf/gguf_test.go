package gguf

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestSmoke(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gguf")
	md := Metadata{{"a", uint8(1)}, {"b", []string{"x", ""}}, {"c", true}, {"d", []float32{1, 2}}}
	w, err := Create(path, md, []TensorInfo{{"t", F32, []int{3, 2}}, {"u", Q4_0, []int{64}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteAt(0, []byte("012345678901234567890123"), 0); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteAt(1, make([]byte, 36), 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !reflect.DeepEqual(f.Metadata, md) {
		t.Error(f.Metadata)
	}
	if string(f.Tensor("t").Data) != "012345678901234567890123" {
		t.Error("data")
	}
	if es, _ := os.ReadDir(filepath.Dir(path)); len(es) != 1 {
		t.Error(es)
	}
}
