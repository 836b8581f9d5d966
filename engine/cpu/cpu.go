// Package cpu is the CPU backend of package engine. Weights are used where the
// file is mapped; arithmetic is that of package quant.
package cpu

import (
	"fmt"
	"runtime"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// Backend computes on the processor with a fixed number of threads.
type Backend struct {
	pool *pool
}

// New starts a backend of the given number of threads; 0 means [Threads].
func New(threads int) *Backend {
	if threads <= 0 {
		threads = Threads()
	}
	return &Backend{pool: newPool(threads)}
}

// Name implements [engine.Backend].
func (b *Backend) Name() string { return "cpu" }

// Describe names the instruction set and the threads.
func (b *Backend) Describe() string {
	path, _ := quant.CPU()
	return fmt.Sprintf("%s %s, %d threads", runtime.GOARCH, path, b.pool.threads())
}

// Close stops the threads.
func (b *Backend) Close() error {
	b.pool.close()
	return nil
}

// Chunk implements [engine.Backend].
func (b *Backend) Chunk() int { return 256 }

// weight is a tensor in place.
type weight struct {
	t    *gguf.Tensor
	vec  []float32 // the values of a vector
	cols int
	rows int
}

func (w *weight) Rows() int { return w.rows }
func (w *weight) Cols() int { return w.cols }

// Weight implements [engine.Backend]. Matrices stay where they are; vectors
// (norms, a few KB each) are copied to an aligned slice.
func (b *Backend) Weight(t *gguf.Tensor) (engine.Weight, error) {
	if !quant.Supported(t.Type) {
		return nil, fmt.Errorf("type %s is not supported", t.Type)
	}
	w := &weight{t: t, cols: t.Dims[0], rows: t.Rows()}
	if w.rows == 1 {
		w.vec = make([]float32, w.cols)
		quant.Dequantize(t.Type, w.vec, t.Data)
	}
	return w, nil
}

// Open implements [engine.Backend].
func (b *Backend) Open(g engine.Geometry) (engine.Context, error) {
	kv, err := newCache(g)
	if err != nil {
		return nil, err
	}
	c := &context{
		Geometry: g, pool: b.pool, cache: kv,
		tokens: make([]int32, g.Rows+1), choices: make([]int32, g.Rows), chances: make([]float32, g.Rows),
		workers: make([]worker, b.pool.threads()),
	}
	return c, nil
}

// buffer is a matrix of rows in one slice.
type buffer struct {
	data       []float32
	rows, cols int
}

func (b *buffer) Rows() int { return b.rows }
func (b *buffer) Cols() int { return b.cols }

func (b *buffer) Slice(from, to int) engine.Buffer {
	return &buffer{b.data[from*b.cols : to*b.cols], to - from, b.cols}
}

func (b *buffer) row(i int) []float32 { return b.data[i*b.cols : (i+1)*b.cols] }
