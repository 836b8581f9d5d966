package convert

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"

	"orthrus/gguf"
	"orthrus/quant"
)

// chunk is the number of values converted at once, a multiple of every block.
// A worker's three buffers take at most 12 bytes a value: 3 MiB.
const chunk = 1 << 18

// transcode converts every weight and writes it to the tensor of the same
// index. Workers take chunks in order; what a chunk becomes depends on its own
// values alone, so that the file does not depend on the number of threads.
func transcode(ctx context.Context, out *gguf.Writer, weights []weight, threads int, progress func(done, total int64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type job struct{ tensor, first int }
	jobs := make(chan job)
	go func() {
		defer close(jobs)
		for i := range weights {
			for first := 0; first < weights[i].elems(); first += chunk {
				select {
				case jobs <- job{i, first}:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	meter := meter{progress: progress}
	for i := range weights {
		meter.total += weights[i].size(weights[i].from, weights[i].elems())
	}
	if threads < 1 {
		threads = runtime.GOMAXPROCS(0)
	}
	var group sync.WaitGroup
	for range threads {
		group.Go(func() {
			var c converter
			for j := range jobs {
				n, err := c.convert(out, j.tensor, &weights[j.tensor], j.first)
				if err != nil {
					cancel(err)
					return
				}
				meter.add(n)
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// meter calls progress with the bytes read so far, one call at a time.
type meter struct {
	mu          sync.Mutex
	progress    func(done, total int64)
	done, total int64
}

func (m *meter) add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
	if m.progress != nil {
		m.progress(m.done, m.total)
	}
}

// elems is the number of the weight's values.
func (w *weight) elems() int {
	n := 1
	for _, d := range w.slot.dims {
		n *= d
	}
	return n
}

// size is the number of bytes that n values of type t take.
func (w *weight) size(t gguf.Type, n int) int64 {
	elems, bytes := t.Block()
	return int64(n / elems * bytes)
}

// converter is a worker's memory.
type converter struct {
	in, out []byte
	values  []float32
}

// convert converts the chunk of w that begins with value first. It returns the
// bytes read.
func (c *converter) convert(out *gguf.Writer, tensor int, w *weight, first int) (int64, error) {
	n := min(chunk, w.elems()-first)
	size := w.size(w.from, n)
	c.in = resize(c.in, int(size))
	if _, err := w.data.ReadAt(c.in, w.size(w.from, first)); err != nil {
		return 0, fmt.Errorf("reading tensor %s: %w", w.gguf, err)
	}
	result := c.in
	if w.from != w.to {
		c.values = resize(c.values, n)
		quant.Dequantize(w.from, c.values, c.in)
		if err := checkRange(w, c.values); err != nil {
			return 0, err
		}
		c.out = resize(c.out, int(w.size(w.to, n)))
		quant.Quantize(w.to, c.out, c.values)
		result = c.out
	}
	return size, out.WriteAt(tensor, result, w.size(w.to, first))
}

// checkRange refuses values that the new type cannot hold: infinities and NaNs,
// and, as block scales are f16, what is beyond f16.
func checkRange(w *weight, values []float32) error {
	limit := float32(65504)
	if w.to == gguf.F32 || w.to == gguf.BF16 {
		limit = math.MaxFloat32
	}
	for _, v := range values {
		if !(v >= -limit && v <= limit) {
			return fmt.Errorf("tensor %s holds %g, which %v cannot: is the file damaged?", w.gguf, v, w.to)
		}
	}
	return nil
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
