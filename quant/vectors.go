//go:build amd64 || arm64

package quant

import "orthrus/gguf"

//go:generate go run ./internal/gen

// vectors holds the assembly kernels for float vectors. Pointers are to the first of the values, strides between rows
// are in bytes; lengths are positive multiples of 16, in values.
type vectors struct {
	// axpyRows[t][n-1] adds rows of v, each times its p, to n rows of y; n is at most 4.
	axpyRows [gguf.BF16 + 1][4]axpyRows

	dot      func(x, y *float32, n int) float32
	dotF16   func(x *float32, y *uint16, n int) float32
	axpy     func(y, x *float32, n int, a float32)
	axpyF16  func(y *float32, x *uint16, n int, a float32)
	expSlice func(dst, x *float32, n int, table *expConstants)
	siluMul  func(dst, gate, up *float32, n int, table *expConstants)
	read     func(p *byte, n int) // a multiple of 1024
}

type axpyRows func(y *float32, yStride int, p *float32, pStride int, v *byte, vStride, rows, width int)

// expConstants are what the kernels of Exp need, in their order.
type expConstants [12]float32

var expTable = expConstants{expMin, expMax, expLog2E, expMagic, -expLn2Hi, -expLn2Lo, expC6, expC5, expC4, expC3, expC2, 1}

// addTo sets the functions of k that work on vectors.
func (s *vectors) addTo(k *kernels) {
	k.dot = func(x, y []float32) float32 {
		if len(x) == 0 || len(x)%16 != 0 {
			return dot(x, y)
		}
		return s.dot(&x[0], &y[0], len(x))
	}
	k.dotF16 = func(x []float32, y []uint16) float32 {
		if len(x) == 0 || len(x)%16 != 0 {
			return dotF16(x, y)
		}
		return s.dotF16(&x[0], &y[0], len(x))
	}
	k.axpy = func(y []float32, a float32, x []float32) {
		n := len(x) &^ 15
		if n > 0 {
			s.axpy(&y[0], &x[0], n, a)
		}
		axpy(y[n:], a, x[n:])
	}
	k.axpyF16 = func(y []float32, a float32, x []uint16) {
		n := len(x) &^ 15
		if n > 0 {
			s.axpyF16(&y[0], &x[0], n, a)
		}
		axpyF16(y[n:], a, x[n:])
	}
	k.axpyRows = s.addRows
	k.expSlice = func(dst, x []float32) {
		n := len(x) &^ 15
		if n > 0 {
			s.expSlice(&dst[0], &x[0], n, &expTable)
		}
		expSlice(dst[n:], x[n:])
	}
	k.siluMul = func(dst, gate, up []float32) {
		n := len(gate) &^ 15
		if n > 0 {
			s.siluMul(&dst[0], &gate[0], &up[0], n, &expTable)
		}
		siluMul(dst[n:], gate[n:], up[n:])
	}
	k.read = func(p []byte) {
		n := len(p) &^ 1023
		if n > 0 {
			s.read(&p[0], n)
		}
		readPortable(p[n:])
	}
}

func (s *vectors) addRows(r weightedRows) {
	if r.width%16 != 0 || r.rows == 0 {
		axpyRowsPortable(r)
		return
	}
	for i := 0; i < r.n; i += 4 {
		n := min(4, r.n-i)
		s.axpyRows[r.t][n-1](&r.y[i*r.yStride], 4*r.yStride, &r.p[i*r.pStride], 4*r.pStride, &r.v[0], r.rowBytes, r.rows, r.width)
	}
}
