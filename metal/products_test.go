//go:build emulator && linux

package metal

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"orthrus/gguf"
	"orthrus/quant"
)

var types = []gguf.Type{gguf.Q8_0, gguf.Q4_0, gguf.Q4_K, gguf.Q5_K, gguf.Q6_K, gguf.F32, gguf.F16, gguf.BF16}

// bench has a device, and memory of it.
type bench struct {
	testing.TB
	*emulated
	random *rand.Rand
}

func newBench(t testing.TB, seed uint64) *bench {
	e := newEmulated(t, seed)
	return &bench{t, e, rand.New(rand.NewPCG(seed, 1))}
}

func (b *bench) memory(bytes int64) buffer {
	b.Helper()
	m, err := b.emulated.alloc(max(bytes, 4))
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
	q, err := b.queue()
	if err != nil {
		b.Fatal(err)
	}
	l := list{device: b.emulated}
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

// numbers are activations: most of them of common size, with whole blocks that are zero, large, small, or not finite.
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

// TestProducts holds all kernels of products against quant.MatMul, bit by bit, and that against float64.
func TestProducts(t *testing.T) {
	for _, typ := range types {
		t.Run(typ.String(), func(t *testing.T) {
			for n := 1; n <= 33; n++ {
				elems, _ := typ.Block()
				rows := 1 + (7*n+int(typ))%21
				cols := elems * (1 + n%3)
				if elems == 1 {
					cols = 1 + 37*n%101
				}
				testProduct(t, typ, rows, cols, n, n%2 == 0, true)
				if n%8 == 1 {
					testProduct(t, typ, rows, cols, n, n%2 == 0, false)
				}
			}
			testProduct(t, typ, 70, 512, 33, true, true)
			testProduct(t, typ, 9, 256, 65, true, true)
		})
	}
}

func testProduct(t *testing.T, typ gguf.Type, rows, cols, n int, add, exact bool) {
	t.Helper()
	name := fmt.Sprintf("%v %dx%d, %d rows, add %v, exact %v", typ, rows, cols, n, add, exact)
	b := newBench(t, uint64(1000*rows+n))
	b.twice = n%4 == 1
	data, x, before := b.weights(typ, rows, cols), b.numbers(n, cols), b.numbers(n, rows)
	w, src, dst := b.weight(typ, rows, cols, data), b.matrix(n, cols, x), b.matrix(n, rows, before)

	in := input{floats: src}
	if f := formOf(typ); f != floats {
		q, scales, sums := actBytes(f, n, cols)
		in.acts = newActs(f, b.memory(q+scales+sums), n, cols)
	}
	b.run(func(l *list) {
		if in.acts.form != floats {
			quantize(l, in.acts, src)
		}
		products(l, in, add, exact, []product{{w, dst}})
	})
	got := b.read(dst)

	var a quant.Act
	a.Reset(typ, n, cols)
	for i := range n {
		a.Set(i, x[i*cols:][:cols])
	}
	want := slices.Clone(before)
	quant.MatMul(want, rows, typ, data, cols, 0, rows, &a, add)
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: row %d, output %d: %g, want %g", name, i/rows, i%rows, got[i], want[i])
		}
	}
}

func TestEmbed(t *testing.T) {
	for _, typ := range types {
		b := newBench(t, 7)
		const rows, cols = 5, 512
		data := b.weights(typ, rows, cols)
		want := make([]float32, rows*cols)
		quant.Dequantize(typ, want, data)
		tokens := []int32{4, 0, 2, 2, 1, 3}
		dst := b.matrix(len(tokens), cols, make([]float32, len(tokens)*cols))
		b.run(func(l *list) { embedRows(l, dst, b.weight(typ, rows, cols, data), b.bytes(bytesOf(tokens))) })
		for i, v := range b.read(dst) {
			if w := want[int(tokens[i/cols])*cols+i%cols]; math.Float32bits(v) != math.Float32bits(w) {
				t.Fatalf("%v: row %d, value %d: %g, want %g", typ, i/cols, i%cols, v, w)
			}
		}
	}
}
