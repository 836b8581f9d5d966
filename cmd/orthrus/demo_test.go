package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDemoArchive(t *testing.T) {
	if n := len(demoArchive); n > 16<<20 {
		t.Errorf("the archive has %d bytes, more than 16 MiB", n)
	}
	size, err := demoSize()
	if err != nil {
		t.Fatal(err)
	}
	if data, err := demoData(); err != nil || int64(len(data)) != size {
		t.Errorf("%d bytes unpacked, %v; the archive tells %d", len(data), err, size)
	}
}

func TestUnpackDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	path, err := unpackDemo(dir)
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := unpackDemo(dir)
	if err != nil || again != path {
		t.Fatalf("again: %s, %v", again, err)
	}
	if info, err := os.Stat(path); err != nil || !os.SameFile(first, info) {
		t.Errorf("a whole file was written anew: %v", err)
	}
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := unpackDemo(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != first.Size() {
		t.Errorf("a cut file stays: %v", err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%d files in the folder, want the model alone: %v", len(files), err)
	}
}

// TestDemoWithoutCache runs where there is no cache folder.
func TestDemoWithoutCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, home := range []string{"", file} {
		for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
			t.Setenv(name, home)
		}
		r := orthrus(t, "", "run", "-p", ask18, "--temp", "0")
		if r.status != 0 || r.out != count18 {
			t.Errorf("with home %q: %+v", home, r)
		}
	}
}
