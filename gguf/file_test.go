package gguf

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "absent.gguf")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := Open(dir); err == nil || err.Error() != dir+": not a regular file" {
		t.Errorf("a folder: %v", err)
	}
	path := filepath.Join(dir, "a.gguf")
	for content, want := range map[string]string{
		"":              "magic: 4 bytes at offset 0 go beyond the file's end at 0: is it whole?",
		"PK\x03\x04zip": `magic: "PK\x03\x04" instead of "GGUF", so this is no GGUF file`,
	} {
		if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || err.Error() != path+": "+want {
			t.Errorf("file %q: %v", content, err)
		}
	}
}

// TestLargeHeader reads a file whose metadata would take more than maxHeader bytes.
func TestLargeHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gguf")
	header := encode([]byte("GGUF"), uint32(3), uint64(0), uint64(1), "key", uint32(9), uint32(0), uint64(maxHeader))
	if err := os.WriteFile(path, header, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 2*maxHeader); err != nil {
		t.Fatal(err)
	}
	want := `metadata entry 0, key "key": values: 134217728 go beyond the largest header, 134217728 bytes`
	if _, err := Open(path); err == nil || err.Error() != path+": "+want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// split writes three parts and returns the path of part i, counted from 1.
func split(t *testing.T) func(i int) string {
	dir := t.TempDir()
	path := func(i int) string { return filepath.Join(dir, "m-0000"+string(rune('0'+i))+"-of-00003.gguf") }
	write(t, path(1), Metadata{
		{"general.name", "m"}, {"split.no", uint16(0)}, {"split.count", uint16(3)}, {"split.tensors.count", int32(3)},
	})
	write(t, path(2), part(1, 3), TensorInfo{"a", F32, []int{4}}, TensorInfo{"b", Q8_0, []int{64}})
	write(t, path(3), part(2, 3), TensorInfo{"c", F16, []int{5, 5}})
	return path
}

func part(no, count uint16) Metadata {
	return Metadata{{"split.no", no}, {"split.count", count}, {"split.tensors.count", int32(3)}}
}

func TestSplit(t *testing.T) {
	path := split(t)
	f, err := Open(path(1))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if want := (Metadata{{"general.name", "m"}}); !reflect.DeepEqual(f.Metadata, want) {
		t.Errorf("metadata %v, want %v", f.Metadata, want)
	}
	var size int64
	for i := 1; i <= 3; i++ {
		info, err := os.Stat(path(i))
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if f.Size() != size || len(f.Tensors) != 3 {
		t.Errorf("%d bytes, want %d; %d tensors, want 3", f.Size(), size, len(f.Tensors))
	}
	for i, name := range []string{"a", "b", "c"} {
		tensor := f.Tensor(name)
		if tensor == nil || tensor != f.Tensors[i] {
			t.Fatalf("tensor %q: %v", name, tensor)
		}
		if !bytes.Equal(tensor.Data, pattern(t, TensorInfo{name, tensor.Type, tensor.Dims})) {
			t.Errorf("tensor %q: wrong data", name)
		}
	}
}

func TestSplitErrors(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(path func(i int) string) (open string)
		want   string
	}{
		{"another part", func(path func(i int) string) string { return path(2) },
			`m-00002-of-00003.gguf: part 2 of 3 of a split file: open the first part, `},
		{"a part is missing", func(path func(i int) string) string {
			os.Remove(path(2))
			return path(1)
		}, `m-00001-of-00003.gguf: part 2 of 3: `},
		{"renamed", func(path func(i int) string) string {
			os.Rename(path(1), path(7))
			return path(7)
		}, `m-00007-of-00003.gguf: part 1 of 3 of a split file: its name must end in "-00001-of-00003.gguf"`},
		{"a part twice", func(path func(i int) string) string {
			write(t, path(3), part(1, 3))
			return path(1)
		}, `m-00003-of-00003.gguf: "split.no" is 1 and "split.count" is 3, want 2 and 3`},
		{"a whole file as a part", func(path func(i int) string) string {
			write(t, path(3), nil)
			return path(1)
		}, `m-00003-of-00003.gguf: "split.no" is 0 and "split.count" is 0, want 2 and 3`},
		{"a tensor is missing", func(path func(i int) string) string {
			write(t, path(3), part(2, 3))
			return path(1)
		}, `metadata key "split.tensors.count" is 3, but the 3 parts hold 2 tensors`},
		{"a tensor twice", func(path func(i int) string) string {
			write(t, path(3), part(2, 3), TensorInfo{"a", F32, []int{4}})
			return path(1)
		}, `tensor 2, name "a": name: occurs twice`},
		{"no part number", func(path func(i int) string) string {
			write(t, path(3), Metadata{{"split.count", uint16(3)}})
			return path(1)
		}, `m-00003-of-00003.gguf: metadata key "split.no": missing`},
		{"number beyond the count", func(path func(i int) string) string {
			write(t, path(1), part(3, 3))
			return path(1)
		}, `metadata key "split.no" is 3, but "split.count" is 3`},
		{"wrong type", func(path func(i int) string) string {
			write(t, path(1), Metadata{{"split.count", "3"}})
			return path(1)
		}, `metadata key "split.count" is of type string, want an integer`},
		{"damaged part", func(path func(i int) string) string {
			os.Truncate(path(2), 100)
			return path(1)
		}, `m-00002-of-00003.gguf: metadata entry 2`},
	} {
		f, err := Open(c.damage(split(t)))
		if err == nil {
			f.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %s", c.name, err, c.want)
		}
	}
}

// TestMerged opens a file that gguf-split has merged: it keeps the keys, with the count 0.
func TestMerged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "merged.gguf")
	write(t, path, append(part(0, 0), KV{"general.name", "m"}), TensorInfo{"t", F32, []int{1}})
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if want := (Metadata{{"general.name", "m"}}); !reflect.DeepEqual(f.Metadata, want) {
		t.Errorf("metadata %v, want %v", f.Metadata, want)
	}
}
