package gguf

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// write writes a file of the tensors in dir, with data that differs from byte to byte and between tensors.
func write(t *testing.T, path string, md Metadata, tensors ...TensorInfo) {
	t.Helper()
	w, err := Create(path, md, tensors)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i, info := range tensors {
		if err := w.WriteAt(i, pattern(t, info), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// pattern returns the data that write gives a tensor.
func pattern(t *testing.T, info TensorInfo) []byte {
	t.Helper()
	size, err := info.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i) ^ info.Name[0] | 1 // no zeros: they would look like padding
	}
	return data
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestWriteFormat writes the file of parse_test.go, which was put together by hand.
func TestWriteFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "small.gguf")
	md := Metadata{
		{"general.alignment", uint32(16)}, {"s", "text"}, {"b", true}, {"i", []int32{-1, 7}}, {"ss", []string{"x", "yz"}},
	}
	w, err := Create(path, md, []TensorInfo{{"one", F32, []int{3}}, {"two", Q4_0, []int{32, 2}}})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i, data := range []string{"012345678901", strings.Repeat("0123456789ABCDEFGH", 2)} {
		if err := w.WriteAt(i, []byte(data), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := append(encode(small...), make([]byte, 12)...) // the last tensor is padded too
	if !bytes.Equal(got, want) || w.Size() != int64(len(want)) {
		t.Errorf("%d bytes, Size %d:\n%q\nwant %d:\n%q", len(got), w.Size(), got, len(want), want)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, align := range []uint32{0, 8, 64, 4096} {
		dir := t.TempDir()
		path := filepath.Join(dir, "a.gguf")
		md := append(Metadata{}, everyValue...)
		if align != 0 {
			md.Set("general.alignment", align)
		}
		var tensors []TensorInfo
		for id, info := range types {
			if info.name != "" {
				tensors = append(tensors, TensorInfo{info.name, Type(id), []int{3 * info.elems, 2, 1, 5}[:1+id%4]})
			}
		}
		write(t, path, md, tensors...)
		f, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if !reflect.DeepEqual(f.Metadata, md) {
			t.Errorf("metadata %v, want %v", f.Metadata, md)
		}
		used := make([]bool, f.Size())
		for i, info := range tensors {
			got := f.Tensors[i]
			if got.Name != info.Name || got.Type != info.Type || !reflect.DeepEqual(got.Dims, info.Dims) {
				t.Errorf("tensor %v, want %v", got, info)
			}
			if !bytes.Equal(got.Data, pattern(t, info)) {
				t.Errorf("tensor %q: wrong data", info.Name)
			}
			off := offset(f, got)
			if off%f.Alignment != 0 {
				t.Errorf("tensor %q at %d, alignment %d", info.Name, off, f.Alignment)
			}
			for i := range got.Data {
				used[off+i] = true
			}
		}
		file := f.mappings[0]
		for i := offset(f, f.Tensors[0]); i < len(file); i++ {
			if !used[i] && file[i] != 0 {
				t.Errorf("padding byte %d is %d", i, file[i])
			}
		}
		if names := files(t, dir); len(names) != 1 {
			t.Errorf("files %q", names)
		}
	}
}

// offset returns where a tensor's data starts in the file.
func offset(f *File, t *Tensor) int {
	m := f.mappings[0]
	for i := range m {
		if &m[i] == &t.Data[0] {
			return i
		}
	}
	return -1
}

func TestWriteConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gguf")
	tensors := []TensorInfo{{"a", I8, []int{100, 40}}, {"b", I16, []int{1000}}}
	w, err := Create(path, nil, tensors)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	var wg sync.WaitGroup
	for i, info := range tensors {
		data := pattern(t, info)
		for from := 0; from < len(data); from += 70 {
			wg.Go(func() {
				if err := w.WriteAt(i, data[from:min(from+70, len(data))], int64(from)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i, info := range tensors {
		if !bytes.Equal(f.Tensors[i].Data, pattern(t, info)) {
			t.Errorf("tensor %q: wrong data", info.Name)
		}
	}
}

// TestWriteIncomplete checks that a file which is not finished leaves the old one and nothing else.
func TestWriteIncomplete(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.gguf")
	write(t, path, Metadata{{"old", true}}, TensorInfo{"t", F32, []int{4}})
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := Create(path, nil, []TensorInfo{{"first", F32, []int{4}}, {"second", F32, []int{4}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ tensor, bytes, off int }{{0, 17, 0}, {0, 1, 16}, {0, 1, math.MaxInt}, {1, 4, -1}, {1, 4, 13}} {
		if err := w.WriteAt(c.tensor, make([]byte, c.bytes), int64(c.off)); err == nil {
			t.Errorf("no error for %d bytes at %d", c.bytes, c.off)
		}
	}
	for _, c := range []struct{ tensor, bytes, off int }{{0, 16, 0}, {1, 8, 0}, {1, 7, 9}} {
		if err := w.WriteAt(c.tensor, make([]byte, c.bytes), int64(c.off)); err != nil {
			t.Error(err)
		}
	}
	if names := files(t, dir); len(names) != 2 {
		t.Errorf("while writing: files %q", names)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), `tensor "second" was not written whole`) {
		t.Errorf("Close: %v", err)
	}
	if err := w.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if w, err = Create(path, nil, nil); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	w.Abort()
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, old) {
		t.Errorf("the old file changed: %v", err)
	}
	if names := files(t, dir); len(names) != 1 {
		t.Errorf("files %q", names)
	}
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.gguf")
	write(t, path, Metadata{{"n", uint8(1)}})
	write(t, path, Metadata{{"n", uint8(2)}})
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := f.Metadata.Uint("n"); n != 2 || err != nil {
		t.Errorf("n = %d, %v", n, err)
	}
	if names := files(t, dir); len(names) != 1 {
		t.Errorf("files %q", names)
	}
}

func TestCreateErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.gguf")
	long := strings.Repeat("n", 64)
	for _, c := range []struct {
		md      Metadata
		tensors []TensorInfo
		want    string
	}{
		{md: Metadata{{"n", 1}}, want: `metadata entry 0, key "n": GGUF has no type for a Go int`},
		{md: Metadata{{"n", nil}}, want: `metadata entry 0, key "n": GGUF has no type for a Go <nil>`},
		{md: Metadata{{"n", [][]int8{{1}}}}, want: `key "n": GGUF has no type for a Go [][]int8`},
		{md: Metadata{{"n", F32}}, want: `key "n": GGUF has no type for a Go gguf.Type`},
		{md: Metadata{{"", true}}, want: `metadata entry 0, key "": key: 0 bytes, want 1 to 65535`},
		{md: Metadata{{"n", true}, {"n", true}}, want: `metadata entry 1, key "n": key: occurs twice`},
		{md: Metadata{{"general.alignment", uint32(48)}}, want: `"general.alignment" is 48, want a power of two`},
		{md: Metadata{{"big", make([]uint8, maxHeader)}}, want: "the header takes 134217"},
		{tensors: []TensorInfo{{long, F32, []int{1}}}, want: "name: 64 bytes, want 1 to 63"},
		{tensors: []TensorInfo{{"t", F32, []int{1}}, {"t", F32, []int{1}}}, want: `tensor 1, name "t": name: occurs twice`},
		{tensors: []TensorInfo{{"t", Q4_K, []int{32}}}, want: `tensor 0, name "t": a row of 32 elements`},
		{tensors: []TensorInfo{{"t", F32, nil}}, want: `tensor 0, name "t": dimension count: 0`},
		{tensors: []TensorInfo{{"t", I8, []int{math.MaxInt}}}, want: `tensor 0, name "t": dimensions: the file grows too large`},
	} {
		w, err := Create(path, c.md, c.tensors)
		if err == nil {
			w.Abort()
		}
		if err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
	if _, err := Create(dir, nil, nil); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Create(filepath.Join(dir, "absent", "a.gguf"), nil, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
	if names := files(t, dir); len(names) != 0 {
		t.Errorf("files %q", names)
	}
}
