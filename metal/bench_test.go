//go:build (emulator && linux) || (gpu && darwin)

package metal

import (
	"math/rand/v2"
	"slices"
	"testing"

	"orthrus/gguf"
	"orthrus/quant"
)

// bench has a device, and memory of it.
type bench struct {
	testing.TB
	device device
	random *rand.Rand
}

func newBench(t testing.TB, seed uint64) *bench {
	return &bench{t, testDevice(t, seed), rand.New(rand.NewPCG(seed, 1))}
}

func (b *bench) memory(bytes int64) buffer {
	b.Helper()
	m, err := b.device.alloc(max(bytes, 4))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(m.release)
	return m
}

func (b *bench) bytes(data []byte) binding {
	m := b.memory(int64(len(data)))
	copy(m.bytes(), data)
	return at(m, 0)
}

func (b *bench) matrix(rows, cols int, data []float32) matrix {
	m := b.memory(4 * int64(rows) * int64(cols))
	copy(m.bytes(), bytesOf(data))
	return matrix{at(m, 0), rows, cols}
}

func (b *bench) read(m matrix) []float32 {
	return slices.Clone(floatsOf(m.at.buffer.bytes()[m.at.offset:])[:m.rows*m.cols])
}

func (b *bench) weight(t gguf.Type, rows, cols int, data []byte) *weight {
	return &weight{t: t, rows: rows, cols: cols, data: data, at: b.bytes(data)}
}

// run runs what f adds to a list.
func (b *bench) run(f func(l *list)) {
	b.Helper()
	q, err := b.device.queue()
	if err != nil {
		b.Fatal(err)
	}
	defer q.close()
	l := list{device: b.device}
	f(&l)
	if l.err != nil {
		b.Fatal(l.err)
	}
	if err := q.run(l.all); err != nil {
		b.Fatal(err)
	}
	if err := q.wait(); err != nil {
		b.Fatal(err)
	}
}

// numbers are activations: most of them of common size, with whole blocks that are zero, large, or small.
func (b *bench) numbers(rows, cols int) []float32 {
	x := make([]float32, rows*cols)
	for i := range x {
		x[i] = float32(b.random.NormFloat64())
	}
	for i := 0; i+32 <= len(x); i += 32 {
		switch b.random.IntN(8) {
		case 0:
			clear(x[i:][:32])
		case 1:
			for j := range x[i:][:32] {
				x[i+j] = 127 * float32(b.random.IntN(2)*2-1) // largest integers
			}
		case 2:
			for j := range x[i:][:32] {
				x[i+j] *= 1e-30
			}
		}
	}
	return x
}

// weights are quantized, or blocks of the largest integers.
func (b *bench) weights(t gguf.Type, rows, cols int) []byte {
	size, err := t.RowBytes(cols)
	if err != nil {
		b.Fatal(err)
	}
	data := make([]byte, rows*size)
	x := b.numbers(rows, cols)
	quant.Quantize(t, data, x)
	if elems, bytes := t.Block(); elems > 1 {
		for i := 0; i < len(data); i += bytes {
			if b.random.IntN(4) > 0 {
				continue
			}
			scale := slices.Clone(data[i:][:4])
			fill := byte([]int{0x80, 0xff, 0x7f, 0}[b.random.IntN(4)])
			for j := range data[i:][:bytes] {
				data[i+j] = fill
			}
			if t == gguf.Q6_K {
				copy(data[i+208:], []byte{scale[0], 0x20})
			} else {
				copy(data[i:], []byte{scale[0], 0x20, scale[2], 0x20}[:min(4, bytes)])
				if elems == 32 {
					data[i+2], data[i+3] = fill, fill
				}
			}
		}
	}
	return data
}
