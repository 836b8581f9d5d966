// Package gguf reads and writes GGUF, ggml's model file format: version 3, little endian.
//
// The format (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): a header of magic, version and counts, the
// metadata entries, a description of every tensor, then the tensors' data, each at a multiple of the file's alignment.
//
// Files come from strangers. Reading checks every length, offset, count and type against the file's size before use,
// and takes memory in proportion to the bytes of the header that are there, never to a number that the file states.
// Errors are one line that names the file and the field.
package gguf

import (
	"fmt"
	"math"
)

const (
	magic   = "GGUF"
	version = 3

	alignmentKey     = "general.alignment"
	defaultAlignment = 32
	minAlignment     = 8
	maxAlignment     = 1 << 20

	maxKey  = 1<<16 - 1 // bytes, by the specification
	maxName = 63        // bytes of a tensor's name: GGML_MAX_NAME less the terminator
	maxDims = 4         // GGML_MAX_DIMS

	// maxHeader bounds what a hostile file can make the reader allocate. The largest vocabularies take about 20 MB.
	maxHeader = 128 << 20
)

// alignment returns the multiple at which tensor data starts.
func (m Metadata) alignment() (int, error) {
	value, ok := m.Lookup(alignmentKey)
	if !ok {
		return defaultAlignment, nil
	}
	n, ok := value.(uint32)
	if !ok {
		return 0, mismatch(alignmentKey, value, "uint32")
	}
	if n < minAlignment || n > maxAlignment || n&(n-1) != 0 {
		return 0, fmt.Errorf("metadata key %q is %d, want a power of two from %d to %d",
			alignmentKey, n, minAlignment, maxAlignment)
	}
	return int(n), nil
}

// TensorInfo describes a tensor. Dims has 1 to 4 sizes in ggml's order, fastest first: a matrix of R rows of K values
// is {K, R}.
type TensorInfo struct {
	Name string
	Type Type
	Dims []int
}

// Bytes returns the size of the tensor's data. It is an error if the type is unknown, a dimension is not positive, a
// row is not a whole number of blocks, or the size overflows.
func (t TensorInfo) Bytes() (int, error) {
	if len(t.Dims) < 1 || len(t.Dims) > maxDims {
		return 0, fmt.Errorf("dimension count: %d, want 1 to %d", len(t.Dims), maxDims)
	}
	n, err := t.Type.RowBytes(t.Dims[0])
	if err != nil {
		return 0, err
	}
	for _, d := range t.Dims[1:] {
		if d <= 0 {
			return 0, fmt.Errorf("dimensions: %v, want positive ones", t.Dims)
		}
		if n > math.MaxInt/d {
			return 0, fmt.Errorf("dimensions: %v are too large", t.Dims)
		}
		n *= d
	}
	return n, nil
}

// check returns Bytes, or an error if the name is not one that ggml takes.
func (t TensorInfo) check() (int, error) {
	if t.Name == "" || len(t.Name) > maxName {
		return 0, fmt.Errorf("name: %d bytes, want 1 to %d", len(t.Name), maxName)
	}
	return t.Bytes()
}

func checkKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("key: %d bytes, want 1 to %d", len(key), maxKey)
	}
	return nil
}

// alignUp returns the first multiple of the power of two a at or above n.
func alignUp[T int | int64](n, a T) T { return (n + a - 1) &^ (a - 1) }
