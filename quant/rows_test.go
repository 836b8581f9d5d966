package quant

import (
	"math/rand/v2"
	"testing"

	"orthrus/gguf"
)

// AXPYRows is a sequence of AXPYs on every kernel, and writes nothing else.
func TestAXPYRows(t *testing.T) {
	for _, kern := range available() {
		use(t, kern)
		r := rand.New(rand.NewPCG(8, 1))
		for _, typ := range productTypes[:3] {
			for i := range 60 {
				width := []int{16, 64, 80, 128, 7, 300}[i%6]
				n, rows, kind := r.IntN(10), r.IntN(20), i%2
				yStride, pStride := width+r.IntN(3), rows+r.IntN(3)+1
				v := make([]byte, rows*func() int { b, _ := typ.RowBytes(width); return b }())
				Quantize(typ, v, floats(r, rows*width, kind))
				values := make([]float32, rows*width)
				Dequantize(typ, values, v)
				p := floats(r, n*pStride, kind)
				got := floats(r, n*yStride, kind)
				want := append([]float32{}, got...)
				AXPYRows(got, yStride, p, pStride, n, typ, v, width)
				for i := range n {
					for j := range rows {
						axpy(want[i*yStride:][:width], p[i*pStride+j], values[j*width:][:width])
					}
				}
				for i := range want {
					if !sameBits(got[i], want[i]) {
						t.Fatalf("%s: %v, %d rows of %d, n = %d: [%d] = %x, want %x", kern.name, typ, rows, width, n, i, got[i], want[i])
					}
				}
			}
		}
	}
}

func TestAXPYRowsPanics(t *testing.T) {
	x := make([]float32, 32)
	v := make([]byte, 4*32)
	for i, f := range []func(){
		func() { AXPYRows(x, 16, x, 2, 3, gguf.F32, v, 16) },
		func() { AXPYRows(x, 15, x, 2, 2, gguf.F32, v, 16) },
		func() { AXPYRows(x, 16, x, 1, 2, gguf.F32, v, 16) },
		func() { AXPYRows(x, 16, x[:3], 2, 2, gguf.F32, v, 16) },
		func() { AXPYRows(x, 16, x, 2, 2, gguf.F32, v, 0) },
		func() { AXPYRows(x, 32, x, 2, 1, gguf.Q8_0, make([]byte, 68), 32) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("call %d did not panic", i)
				}
			}()
			f()
		}()
	}
}
