package quant

import (
	"fmt"
	"math"
	"unsafe"

	"orthrus/gguf"
)

// group is the number of values of a row that the kernels for quantized weights take at a time.
const group = 256

// Form is how rows of activations are stored for weights of a type. GPU backends have layouts of their own for the
// same values.
type Form int32

// The forms. Kernels of GPUs know them by these numbers.
const (
	FormFloat Form = iota // float32, for f32, f16, bf16
	Form32                // int8 with a scale for every 32 values, for q8_0, q4_0
	Form256               // int8 with a scale for every 256 values, for q4_k, q5_k, q6_k
)

// FormOf returns the form that products with weights of type t take. t has to be [Supported].
func FormOf(t gguf.Type) Form {
	mustSupport(t)
	switch elems, _ := t.Block(); elems {
	case 32:
		return Form32
	case superBlock:
		return Form256
	}
	return FormFloat
}

// act32 is a group of Form32: the value of q[i] is d[i/32] * q[i]. The last group of a row may be part-filled.
type act32 struct {
	q    [group]int8
	bias [group / 32]int32 // -128 * the sum of every 32 q, for kernels that take q8_0 weights as q+128
	d    [group / 32]float32
}

// act256 is a group of Form256: the value of q[i] is d * q[i].
type act256 struct {
	q     [group]int8
	sum16 [group / 16]int16 // of every 16 q
	sum32 [group / 32]int16 // of every 32 q
	d     float32
	_     [12]byte // to a multiple of 64 bytes
}

// Act is a matrix of activations, n rows of width k, in the [Form] that weights of some types multiply.
//
// A block of int8 is symmetric: d = max|x| / 127 and q[i] = x[i] * (127 / max|x|) rounded to nearest, ties to
// even, both quotients and the product in float32. Where the maximum is 0 or so small that its inverse is
// infinite, or where a value of the block is not finite, the whole block is zero.
type Act struct {
	form    Form
	rows, k int
	x       []float32
	b32     []act32  // ceil(k/256) a row
	b256    []act256 // k/256 a row
}

// Reset gives a the form for weights of type t and room for the given rows of k values, which hold nothing of
// use until they are Set. It reuses a's memory. k is a positive multiple of t's block.
func (a *Act) Reset(t gguf.Type, rows, k int) {
	elems, _ := t.Block()
	if mustSupport(t); rows < 0 || k <= 0 || k%elems != 0 {
		panic(fmt.Sprintf("quant: no activations of %d rows of %d values for %v", rows, k, t))
	}
	a.form, a.rows, a.k = FormOf(t), rows, k
	switch a.form {
	case FormFloat:
		a.x = resize(a.x, rows*k)
	case Form32:
		a.b32 = resize(a.b32, rows*a.groups())
	case Form256:
		a.b256 = resize(a.b256, rows*a.groups())
	}
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// groups returns the groups of a row.
func (a *Act) groups() int { return (a.k + group - 1) / group }

// group returns the address and the bytes of group g of int8 activations.
func (a *Act) group(g int) (unsafe.Pointer, int) {
	if a.form == Form32 {
		return unsafe.Pointer(&a.b32[g]), int(unsafe.Sizeof(act32{}))
	}
	return unsafe.Pointer(&a.b256[g]), int(unsafe.Sizeof(act256{}))
}

// Rows returns the number of rows.
func (a *Act) Rows() int { return a.rows }

// Serves reports whether a has the form that weights of type t multiply.
func (a *Act) Serves(t gguf.Type) bool { return FormOf(t) == a.form }

// Set stores x, k values, as row i. Different rows may be set concurrently.
func (a *Act) Set(i int, x []float32) {
	if i < 0 || i >= a.rows || len(x) != a.k {
		panic(fmt.Sprintf("quant: %d values for row %d of %d rows of %d", len(x), i, a.rows, a.k))
	}
	switch n := a.groups(); a.form {
	case FormFloat:
		copy(a.x[i*a.k:], x)
	case Form32:
		active.set32(a.b32[i*n:][:n], x)
	case Form256:
		active.set256(a.b256[i*n:][:n], x)
	}
}

func set32(dst []act32, x []float32) {
	for i := range dst {
		b := &dst[i]
		for j := 0; j < group/32 && len(x) > 0; j, x = j+1, x[32:] {
			q := b.q[32*j:][:32]
			b.d[j] = quantizeAct(q, x[:32])
			b.bias[j] = -128 * sum(q)
		}
	}
}

func set256(dst []act256, x []float32) {
	for i := range dst {
		b := &dst[i]
		b.d = quantizeAct(b.q[:], x[i*group:][:group])
		for j := range b.sum16 {
			b.sum16[j] = int16(sum(b.q[16*j:][:16]))
		}
		for j := range b.sum32 {
			b.sum32[j] = b.sum16[2*j] + b.sum16[2*j+1]
		}
	}
}

// quantizeAct sets q to the rounded x/d and returns d.
func quantizeAct(q []int8, x []float32) (d float32) {
	amax := maxAbs(x)
	inv := 127 / amax
	if !(amax <= math.MaxFloat32 && inv <= math.MaxFloat32) {
		clear(q)
		return 0
	}
	// Beside 1.5 * 2^23 the last bit of a float32 weighs 1, so that the sum rounds v to an integer.
	const magic = 3 << 22
	for i, v := range x {
		q[i] = int8(math.Float32bits(float32(v*inv)+magic) - math.Float32bits(magic))
	}
	return amax / 127
}

func sum(q []int8) (s int32) {
	for _, v := range q {
		s += int32(v)
	}
	return s
}
