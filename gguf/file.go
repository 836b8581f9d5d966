package gguf

import (
	"fmt"
	"os"
)

// Tensor is one tensor of a file.
type Tensor struct {
	Name string
	Type Type
	Dims []int  // 1 to 4 sizes, fastest first: a matrix of R rows of K values is {K, R}
	Data []byte // read-only; valid until File.Close
}

// Elems returns the number of elements.
func (t *Tensor) Elems() int { return t.Dims[0] * t.Rows() }

// Rows returns the number of rows of Dims[0] elements.
func (t *Tensor) Rows() int {
	rows := 1
	for _, d := range t.Dims[1:] {
		rows *= d
	}
	return rows
}

// Bytes returns the size of the data.
func (t *Tensor) Bytes() int { return len(t.Data) }

// File is an open file, or the parts of a split one joined: the metadata is the first part's without the split.* keys,
// the tensors are those of all parts.
type File struct {
	Path      string // as given to Open
	Version   uint32
	Alignment int // of the tensors' data in the file, in bytes
	Metadata  Metadata
	Tensors   []*Tensor // in the order of their descriptions

	byName   map[string]*Tensor
	size     int64
	mappings []mapping
}

// Open maps the file read-only and checks it. Of a split file (name-00001-of-00003.gguf) it takes the first part and
// opens the others beside it.
//
// The data is the file's: if another program truncates the file while it is mapped, or the device that holds it fails,
// reading the lost bytes is a fault (SIGBUS) that ends the process. Replacing a file by renaming is safe.
func Open(path string) (*File, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := f.join(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// open maps and parses one file.
func open(path string) (*File, error) {
	// Opening a pipe would wait for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	m, err := mapFile(path)
	if err != nil {
		return nil, err
	}
	f, err := Parse(m)
	if err != nil {
		m.unmap()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f.Path = path
	f.mappings = []mapping{m}
	return f, nil
}

// index checks that the tensors' names are unique and prepares Tensor.
func (f *File) index() error {
	f.byName = make(map[string]*Tensor, len(f.Tensors))
	for i, t := range f.Tensors {
		if f.byName[t.Name] != nil {
			return fmt.Errorf("tensor %d, name %q: name: occurs twice", i, t.Name)
		}
		f.byName[t.Name] = t
	}
	return nil
}

// Tensor returns the tensor of that name, nil if there is none.
func (f *File) Tensor(name string) *Tensor { return f.byName[name] }

// Size returns the bytes of all parts.
func (f *File) Size() int64 { return f.size }

// Close unmaps the file. No tensor's data may be used after it: reading it is a fault that ends the process.
func (f *File) Close() error {
	var first error
	for _, m := range f.mappings {
		if err := m.unmap(); first == nil {
			first = err
		}
	}
	f.mappings = nil
	return first
}
