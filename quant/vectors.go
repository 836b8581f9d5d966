//go:build amd64 || arm64

package quant

import (
	"math"

	"orthrus/gguf"
)

//go:generate go run ./internal/gen

// vectors holds the assembly kernels for float vectors. Pointers are to the first of the values, strides between rows
// are in bytes; lengths are positive multiples of 16, in values.
type vectors struct {
	dot      func(x, y *float32, n int) float32
	expSlice func(dst, x *float32, n int, table *expConstants)
	siluMul  func(dst, gate, up *float32, n int, table *expConstants)
	read     func(p *byte, n int) // a multiple of 1024

	// axpyRows[t][n-1] adds rows of v, each times its p, to n rows of y; keyDotsQ8_0[n-1] multiplies n queries by
	// blocks of keys. Where none is given, the portable version is used.
	// They prefetch from ahead bytes behind v or keys on, pace bytes further in each of their steps; axpyRows takes one
	// for every row and axpyColumns[n-1] columns, keyDotsQ8_0 one for every value of a key.
	axpyRows    [gguf.Q8_0 + 1][]axpyRows
	axpyColumns []int
	keyDotsQ8_0 []keyDots
	softmax     func(x *float32, n int, scale float32, peak *float32, table *expConstants) float32
	scaleAXPY   func(y, x *float32, n int, scale, a float32)
	scaleMul    func(dst, x, w *float32, n int, scale float32)
	rotate      func(x, cos, sin *float32, n int) // n pairs
	toF16       func(dst *byte, x *float32, n int)
	// quantizeQ8_0 stops at a block with a value beyond limit and returns the number of blocks left.
	quantizeQ8_0 func(dst *byte, x *float32, blocks int, limit float32) (left int)
	argMax       func(x *float32, n int) int
	sumExp       func(x *float32, n int, shift float32, table *expConstants) float32
}

type (
	axpyRows func(y *float32, yStride int, p *float32, pStride int, v *byte, vStride, rows, width, ahead, pace int)
	keyDots  func(dst *float32, dstStride int, keys *byte, blocks int, q *float32, qStride, dim, ahead, pace int)
)

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
	k.expSlice = func(dst, x []float32) {
		n := len(x) &^ 15
		if n > 0 {
			s.expSlice(&dst[0], &x[0], n, &expTable)
		}
		if n < len(x) {
			var rest [16]float32
			copy(rest[:], x[n:])
			s.expSlice(&rest[0], &rest[0], len(rest), &expTable)
			copy(dst[n:], rest[:])
		}
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
	k.keyDotsQ8_0 = s.multiplyKeys
	k.axpyRows = s.addRows
	k.softmax = func(x []float32, scale float32) (peak, sum float32) {
		if len(x) == 0 || len(x)%16 != 0 || s.softmax == nil {
			return softmax(x, scale)
		}
		sum = s.softmax(&x[0], len(x), scale, &peak, &expTable)
		return peak, sum
	}
	k.scaleAXPY = func(y []float32, scale, a float32, x []float32) {
		n := len(x) &^ 15
		if s.scaleAXPY == nil {
			n = 0
		}
		if n > 0 {
			s.scaleAXPY(&y[0], &x[0], n, scale, a)
		}
		scaleAXPY(y[n:], scale, a, x[n:])
	}
	k.scaleMul = func(dst, x []float32, scale float32, w []float32) {
		n := len(x) &^ 15
		if s.scaleMul == nil {
			n = 0
		}
		if n > 0 {
			s.scaleMul(&dst[0], &x[0], &w[0], n, scale)
		}
		scaleMul(dst[n:], x[n:], scale, w[n:])
	}
	k.rotate = func(x, cos, sin []float32) {
		if len(cos) == 0 || len(cos)%16 != 0 || s.rotate == nil {
			rotate(x, cos, sin)
			return
		}
		s.rotate(&x[0], &cos[0], &sin[0], len(cos))
	}
	k.toF16 = func(dst []byte, x []float32) {
		n := len(x) &^ 15
		if s.toF16 == nil {
			n = 0
		}
		if n > 0 {
			s.toF16(&dst[0], &x[0], n)
		}
		toF16(dst[2*n:], x[n:])
	}
	k.quantizeQ8_0 = func(dst []byte, x []float32) {
		for s.quantizeQ8_0 != nil && len(x) > 0 {
			left := s.quantizeQ8_0(&dst[0], &x[0], len(x)/elemsQ8_0, maxQ8_0)
			dst, x = dst[len(dst)-left*bytesQ8_0:], x[len(x)-left*elemsQ8_0:]
			if left > 0 {
				quantizeBlocksQ8_0(dst[:bytesQ8_0], x[:elemsQ8_0])
				dst, x = dst[bytesQ8_0:], x[elemsQ8_0:]
			}
		}
		quantizeBlocksQ8_0(dst, x)
	}
	k.argMax = func(x []float32) int {
		n := len(x) &^ 15
		if n == 0 || s.argMax == nil {
			return argMax(x)
		}
		at := s.argMax(&x[0], n)
		for i := n; i < len(x); i++ {
			if x[i] > x[at] || x[at] != x[at] && x[i] > float32(math.Inf(-1)) { // x[0] may be a NaN
				at = i
			}
		}
		return at
	}
	k.sumExp = func(x []float32, shift float32) float32 {
		if len(x) == 0 || len(x)%16 != 0 || s.sumExp == nil {
			return sumExp(x, shift)
		}
		return s.sumExp(&x[0], len(x), shift, &expTable)
	}
}

// soon is how many bytes before their use keys and values are prefetched while they come from memory steadily.
const soon = 3 << 10

func (s *vectors) addRows(r weightedRows) {
	kernels := s.axpyRows[r.t]
	if r.width%16 != 0 || r.rows == 0 || kernels == nil {
		axpyRowsPortable(r)
		return
	}
	// Several shares of y take the rows in turn, a few rows that stay in the L1 cache. Each prefetches its part of those
	// to follow.
	count := (r.n + len(kernels) - 1) / len(kernels)
	step := r.rows
	if count > 1 {
		step = max(1, 16<<10/r.vStride)
	}
	for from := 0; from < r.rows; from += step {
		rows := min(step, r.rows-from)
		for c := range count {
			at, end := c*r.n/count, (c+1)*r.n/count
			n := end - at
			steps := max(1, r.width/s.axpyColumns[n-1])
			ahead, pace := soon, r.vStride/steps
			if count > 1 {
				pace /= count
				ahead = rows*r.vStride + c*rows*steps*pace
			}
			kernels[n-1](&r.y[at*r.yStride], 4*r.yStride, &r.p[at*r.pStride+from], 4*r.pStride, &r.v[from*r.vStride], r.vStride, rows, r.width, ahead, pace)
		}
	}
}

func (s *vectors) multiplyKeys(p keyProduct) {
	if p.blocks == 0 || s.keyDotsQ8_0 == nil {
		keyDotsQ8_0(p)
		return
	}
	count := (p.n + len(s.keyDotsQ8_0) - 1) / len(s.keyDotsQ8_0)
	step, ahead, pace := p.blocks, soon, KeyBlock*bytesQ8_0/elemsQ8_0
	if count > 1 {
		step, pace = 1, pace/count
	}
	block := len(p.keys) / p.blocks
	for from := 0; from < p.blocks; from += step {
		for c := range count {
			at, end := c*p.n/count, (c+1)*p.n/count
			if count > 1 {
				ahead = block + c*p.dim*pace
			}
			s.keyDotsQ8_0[end-at-1](&p.dst[at*p.stride+from*KeyBlock], 4*p.stride, &p.keys[from*block], step, &p.q[at*p.dim], 4*p.dim, p.dim, ahead, pace)
		}
	}
}
