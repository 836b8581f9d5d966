//go:build (emulator && linux) || (gpu && darwin)

package metal

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"orthrus/gguf"
	"orthrus/quant"
)

var types = []gguf.Type{gguf.Q8_0, gguf.Q4_0, gguf.Q4_K, gguf.Q5_K, gguf.Q6_K, gguf.F32, gguf.F16, gguf.BF16}

// TestProducts holds all kernels of products against quant.MatMul, bit by bit, and against float64.
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
	data, x, before := b.weights(typ, rows, cols), b.numbers(n, cols), b.numbers(n, rows)
	if quant.FormOf(typ) != quant.FormFloat && n%4 == 3 { // a block with what is no number counts as zeros
		x[0], x[len(x)-1] = float32(math.NaN()), float32(math.Inf(-1))
	}
	w, src, dst := b.weight(typ, rows, cols, data), b.matrix(n, cols, x), b.matrix(n, rows, before)

	in := input{floats: src}
	if f := quant.FormOf(typ); f != quant.FormFloat {
		q, scales, sums := actBytes(f, n, cols)
		in.acts = newActs(f, b.memory(q+scales+sums), n, cols)
	}
	b.run(func(l *list) {
		if in.acts.form != quant.FormFloat {
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
	values, rounded := make([]float32, rows*cols), roundedActs(typ, x)
	quant.Dequantize(typ, values, data)
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: row %d, output %d: %g, want %g", name, i/rows, i%rows, got[i], want[i])
		}
		var exact, size float64
		if add {
			exact = float64(before[i])
			size = math.Abs(exact)
		}
		for k, v := range values[i%rows*cols:][:cols] {
			p := float64(v) * rounded[i/rows*cols+k]
			exact += p
			size += math.Abs(p)
		}
		if !(math.Abs(float64(got[i])-exact) <= 1e-6*size+1e-44) {
			t.Fatalf("%s: row %d, output %d: %g, in float64 %g", name, i/rows, i%rows, got[i], exact)
		}
	}
}

// roundedActs are activations as the products of a type take them, in blocks of int8 with a scale.
func roundedActs(t gguf.Type, x []float32) []float64 {
	out := make([]float64, len(x))
	elems, _ := t.Block()
	for i := 0; i < len(x); i += elems {
		var peak float32
		for _, v := range x[i:][:elems] {
			peak = max(peak, float32(math.Abs(float64(v))))
		}
		for j, v := range x[i:][:elems] {
			switch inverse := 127 / peak; {
			case elems == 1:
				out[i+j] = float64(v)
			case peak > 0 && peak <= math.MaxFloat32 && inverse <= math.MaxFloat32:
				out[i+j] = math.RoundToEven(float64(v*inverse)) * float64(peak) / 127
			}
		}
	}
	return out
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
