package quant

import (
	"fmt"

	"orthrus/gguf"
)

// weightedRows is a checked call of AXPYRows.
type weightedRows struct {
	y          []float32
	yStride    int
	p          []float32
	pStride, n int
	t          gguf.Type
	v          []byte
	rowBytes   int
	rows       int
	width      int
}

// AXPYRows adds weighted rows of v to n rows of y: for every i < n it does what AXPY(y[i], p[i][j], v[j]) does
// for j = 0, 1, ... in turn. Row i of y is y[i*yStride:][:width], its weights are p[i*pStride:][:rows], and v
// holds whole rows of width values of a float type. It panics if the sizes do not fit.
//
// With the softmax of scores as p and the values of a head as v, it is the second half of attention; the first
// is a MatMul of keys by queries.
func AXPYRows(y []float32, yStride int, p []float32, pStride, n int, t gguf.Type, v []byte, width int) {
	rowBytes, err := t.RowBytes(width)
	if err != nil {
		panic("quant: " + err.Error())
	}
	rows := len(v) / rowBytes
	fits := func(x []float32, stride, width int) bool {
		return n <= 0 || stride >= width && len(x)/max(1, stride) >= n-1 && len(x)-(n-1)*stride >= width
	}
	if formOf(t) != formFloat || !fits(y, yStride, width) || !fits(p, pStride, rows) {
		panic(fmt.Sprintf("quant: %d rows of %d %v and %d weights at stride %d do not add to %d rows in %d values at stride %d",
			rows, width, t, len(p), pStride, n, len(y), yStride))
	}
	active.axpyRows(weightedRows{y, yStride, p, pStride, n, t, v, rowBytes, rows, width})
}

func axpyRowsPortable(r weightedRows) {
	var buf [group]float32
	for c := 0; c < r.width; c += group {
		x := buf[:min(group, r.width-c)]
		for j := range r.rows {
			loadFloats(r.t, x, r.v[j*r.rowBytes:][:r.rowBytes], c)
			for i := range r.n {
				axpy(r.y[i*r.yStride+c:][:len(x)], r.p[i*r.pStride+j], x)
			}
		}
	}
}

// loadFloats converts the values of a row of a float type from the k-th on.
func loadFloats(t gguf.Type, dst []float32, row []byte, k int) {
	switch t {
	case gguf.F32:
		dequantizeF32(dst, row[4*k:])
	case gguf.F16:
		dequantizeF16(dst, row[2*k:])
	case gguf.BF16:
		dequantizeBF16(dst, row[2*k:])
	}
}
