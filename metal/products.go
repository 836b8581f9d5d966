package metal

import (
	"fmt"

	"orthrus/gguf"
	"orthrus/quant"
)

// product is one matrix product: dst = the rows given times w transposed.
type product struct {
	w   *weight
	dst matrix
}

// input is the rows that products take, as floats or in a form of int8.
type input struct {
	floats matrix
	acts   acts
}

// productArgs is struct ProductArgs of product.h.
type productArgs struct{ rows, cols, inputs, add int32 }

// The products' threadgroups have this many simdgroups, which share nothing but what the cache holds.
const productSimds = 4

// tiling is how a product of quantized weights is computed.
type tiling struct {
	kernel  string // but for the type
	rows    int    // weight rows of a simdgroup
	inputs  int    // rows of activations of a simdgroup
	matrix8 bool   // uses products of 8x8 matrices
}

// tilings serve up to so many rows of activations, and the last one any number, reading a weight once for all of them. The
// first ones also serve any number where products of 8x8 matrices are not exact (selftest.go).
//
// This is the place for the tensor operations of Metal 4 (family 10, the M5 and later): matmul2d of int8 with int32
// accumulators gives the integers of a block, and the chain over blocks stays as it is. It would be one more tiling.
var tilings = []tiling{
	{"multiplyRow_%v_1", 8, 1, false},
	{"multiplyRow_%v_2", 8, 2, false},
	{"multiplyTile_%v_1_1", 8, 8, true},
	{"multiplyTile_%v_1_2", 8, 16, true},
	{"multiplyTile_%v_1_4", 8, 32, true},
	{"multiplyTile_%v_2_4", 16, 32, true},
}

// tilingFor chooses by the rows of activations.
func tilingFor(rows int, exact bool) tiling {
	best := tilings[0]
	for _, t := range tilings {
		if exact || !t.matrix8 {
			best = t
		}
		if rows <= best.inputs {
			break
		}
	}
	return best
}

// multiply adds a product by a tiling.
func (m tiling) multiply(l *list, in acts, add bool, p product) {
	groups := [3]int{ceil(p.w.rows, m.rows*productSimds), ceil(in.rows, m.inputs), 1}
	launch(l, fmt.Sprintf(m.kernel, p.w.t), groups, productSimds*simd, p.args(in.rows, add), p.w.at, in.q, in.scales, in.sums, p.dst.at)
}

func (p product) args(inputs int, add bool) productArgs {
	return productArgs{int32(p.w.rows), int32(p.w.cols), int32(inputs), flag(add)}
}

// floatInputs are the rows of activations that float products can take at a time, each weight being read once for them.
var floatInputs = []int{1, 4, 8, 16}

// multiplyFloats adds a product of float weights.
func multiplyFloats(l *list, in matrix, add bool, p product) {
	n := floatInputs[len(floatInputs)-1]
	for _, f := range floatInputs {
		if in.rows <= f {
			n = f
			break
		}
	}
	const rows = 8 // of a simdgroup
	groups := [3]int{ceil(p.w.rows, rows*productSimds), ceil(in.rows, n), 1}
	launch(l, fmt.Sprintf("multiplyFloat_%v_%d", p.w.t, n), groups, productSimds*simd, p.args(in.rows, add), p.w.at, in.at, in.at, in.at, p.dst.at)
}

// products sets every dst to the input times its weight transposed, or adds that to it. All weights take the input's form.
func products(l *list, in input, add bool, exact bool, list []product) {
	for _, p := range list {
		if quant.FormOf(p.w.t) == quant.FormFloat {
			multiplyFloats(l, in.floats, add, p)
		} else {
			tilingFor(in.acts.rows, exact).multiply(l, in.acts, add, p)
		}
	}
	l.beside(len(list))
}

// weight is a tensor in the buffer that wraps its pages.
type weight struct {
	t          gguf.Type
	rows, cols int
	data       []byte
	at         binding // set when the pages are wrapped
}

func (w *weight) Rows() int { return w.rows }
func (w *weight) Cols() int { return w.cols }

type embedArgs struct{ cols, _ int32 }

// embedRows sets row i of dst to row tokens[i] of a table.
func embedRows(l *list, dst matrix, table *weight, tokens binding) {
	launch(l, fmt.Sprintf("embed_%v", table.t), [3]int{ceil(dst.cols, 256), dst.rows, 1}, 256, embedArgs{cols: int32(dst.cols)}, table.at, tokens, dst.at)
}
