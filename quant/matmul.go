package quant

import (
	"fmt"

	"orthrus/gguf"
)

// kernels are the functions that an instruction set may have its own version of. All versions of a function
// give the same bits (but for the payloads of NaNs).
type kernels struct {
	name     string
	matmul   func(p product)
	set32    func(dst []act32, x []float32)
	set256   func(dst []act256, x []float32)
	dot      func(x, y []float32) float32
	expSlice func(dst, x []float32)
	siluMul  func(dst, gate, up []float32)
	read     func(p []byte)
	multiply func(rounds int) (count int)

	keyDotsQ8_0 func(p keyProduct)
	axpyRows    func(r weightedRows)
	softmax     func(x []float32, scale float32) (peak, sum float32)
	scaleAXPY   func(y []float32, scale, a float32, x []float32)

	scaleMul     func(dst, x []float32, scale float32, w []float32)
	rotate       func(x, cos, sin []float32)
	toF16        func(dst []byte, x []float32)
	quantizeQ8_0 func(dst []byte, x []float32)

	argMax func(x []float32) int
	sumExp func(x []float32, shift float32) float32
}

var portable = kernels{
	name:     "portable",
	matmul:   matmulPortable,
	set32:    set32,
	set256:   set256,
	dot:      dot,
	expSlice: expSlice,
	siluMul:  siluMul,
	read:     readPortable,
	multiply: multiplyPortable,

	keyDotsQ8_0: keyDotsQ8_0,
	axpyRows:    axpyRowsPortable,
	softmax:     softmax,
	scaleAXPY:   scaleAXPY,

	scaleMul:     scaleMul,
	rotate:       rotate,
	toF16:        toF16,
	quantizeQ8_0: quantizeBlocksQ8_0,

	argMax: argMax,
	sumExp: sumExp,
}

// product is a checked call of MatMul.
type product struct {
	y        []float32
	stride   int
	t        gguf.Type
	w        []byte
	rowBytes int
	from, to int
	a        *Act
	add      bool
}

// MatMul computes y[i*stride+r] = dot(w[r], a[i]) for the weight rows from <= r < to and all rows i of a; with
// add, the dot product is added to y. w holds whole rows of k values of type t, of which a has the form.
// Different ranges of rows can be computed concurrently; they are fastest if they begin at multiples of 16.
//
// The bits of a dot product depend on w[r] and a[i] alone. In quantized types it is a chain of fused
// multiply-adds over the blocks of the row in ascending order, whose terms are exact integers times one
// rounded product of scales (D and A are the scales of weights and activations, S the sum of w*a over a block
// or sub-block, B the sum of a):
//
//	q8_0, q4_0    acc = FMA(D*A, S, acc)                                 in a block of 32
//	q4_k, q5_k    acc = FMA(D*A, sum(scale*S), acc)                      in a block of 256
//	              acc = FMA(-(Dmin*A), sum(min*B), acc)                  then
//	q6_k          acc = FMA(D*A, sum(scale*S), acc)                      in a block of 256
//
// In float types it is that of Dot. It panics if the sizes do not fit.
func MatMul(y []float32, stride int, t gguf.Type, w []byte, k, from, to int, a *Act, add bool) {
	rowBytes, err := t.RowBytes(k)
	if err != nil {
		panic("quant: " + err.Error())
	}
	if !a.Serves(t) || k != a.k || from < 0 || from > to || to > len(w)/rowBytes ||
		a.rows > 0 && to > 0 && (to > stride || len(y)/stride < a.rows-1 || len(y)-(a.rows-1)*stride < to) {
		panic(fmt.Sprintf("quant: rows [%d, %d) of %d bytes of %v, %d a row, do not multiply %d rows of %d into %d values at stride %d",
			from, to, len(w), t, k, a.rows, a.k, len(y), stride))
	}
	active.matmul(product{y, stride, t, w, rowBytes, from, to, a, add})
}

// row returns the bytes of weight row r.
func (p *product) row(r int) []byte { return p.w[r*p.rowBytes:][:p.rowBytes] }

// store stores the product of weight row r and activation row i.
func (p *product) store(r, i int, dot float32) {
	if y := &p.y[i*p.stride+r]; p.add {
		*y += dot
	} else {
		*y = dot
	}
}
