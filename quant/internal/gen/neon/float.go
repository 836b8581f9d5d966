package neon

import "fmt"

// elements are the types of float vectors.
var elements = []struct {
	name  string
	bytes int
}{{"F32", 4}, {"F16", 2}, {"BF16", 2}}

// loadFloats loads 8 values to x and x+1.
func (w *writer) loadFloats(name string, offset int, from r, x v) {
	if name == "F32" {
		w.op("FLDPQ", at(offset, from), pair(x, x+1))
		return
	}
	w.op("FMOVQ", at(offset, from), x)
	if name == "F16" {
		w.op("FCVTL2", x, x+1)
		w.op("FCVTL", x, x)
	} else {
		w.op("SHLL2.H", x, x+1)
		w.op("SHLL.H", x, x)
	}
}

var floatParams = []param{{"y", "*float32"}, {"yStride", "int"}, {"w", "*byte"}, {"wStride", "int"},
	{"x", "*float32"}, {"xStride", "int"}, {"k", "int"}, {"rows", "int"}, {"add", "bool"}}

// The kernels for float weights compute y = x * w transposed, or y += with add, for 1 to 3 activation rows and any
// number of weight rows, of which they take some at once. Strides are in bytes; k is a multiple of 16.
func (w *writer) floatKernels() {
	for _, e := range elements {
		for i, rows := range []int{4, 2, 2} { // as many as registers hold sums for
			w.floatKernel(e.name, e.bytes, rows, i+1)
		}
	}
}

func (w *writer) floatKernel(name string, bytes, most, columns int) {
	const (
		y, yStride, wStride, xStride, left, add = r(0), r(1), r(2), r(3), r(4), r(5)
		row                                     = r(6)  // and the next three
		x                                       = r(10) // and the next two
		count, next                             = r(13), r(14)
	)
	load := w.fn(fmt.Sprintf("mul%sx%d", name, columns), floatParams, "")
	load("y", y)
	load("yStride", yStride)
	load("w", row)
	load("wStride", wStride)
	load("xStride", xStride)
	load("rows", left)
	load("add", add)
	for _, m := range []int{most, 1} {
		again, done := w.label(), w.label()
		w.place(again)
		w.op("CMP", m, left)
		w.op("BLT", done)
		// The 16 lanes of a product are the registers acc(row, column, 0) to acc(row, column, 3).
		acc := func(row, column, part int) v { return v((column*m+row)*4 + part) }
		weights := acc(0, columns, 0)
		values := weights + v(2*m)
		for i := range weights {
			w.zero(i)
		}
		load("k", count)
		load("x", x)
		for c := range r(columns - 1) {
			w.op("ADD", xStride, x+c, x+c+1)
		}
		for i := range r(m - 1) {
			w.op("ADD", wStride, row+i, row+i+1)
		}
		w.op("ADD", wStride, row+r(m-1), next)
		w.op("LSR", 4, count)
		w.loop(count, func() {
			for half := range 2 {
				for i := range m {
					w.loadFloats(name, 8*bytes*half, row+r(i), weights+v(2*i))
				}
				for c := range columns {
					w.op("FLDPQ.P", at(32, x+r(c)), pair(values, values+1))
					for i := range m {
						for p := range 2 {
							w.s4("VFMLA", values+v(p), weights+v(2*i+p), acc(i, c, 2*half+p))
						}
					}
				}
			}
			for i := range r(m) {
				w.op("ADD", 16*bytes, row+i)
			}
		})
		w.op("MOVD", y, x)
		for c := range columns {
			w.storeSums(func(i int) v { return acc(i, c, 0) }, m, x, add)
			w.op("ADD", yStride, x)
		}
		w.op("MOVD", next, row)
		w.op("ADD", 4*m, y)
		w.op("SUB", m, left)
		w.op("B", again)
		w.place(done)
	}
	w.ret()
}

// storeSums adds up the 16 lanes of m products, each from the register acc(i) on, as Dot does, and stores them at y,
// or adds them there. It uses the registers after the first of a product.
func (w *writer) storeSums(acc func(i int) v, m int, y, add r) {
	w.reduce(acc, m)
	sums, old := acc(0), acc(0)+1
	move := map[int]string{1: "FMOVS", 2: "FMOVD", 4: "FMOVQ"}[m]
	skip := w.label()
	w.op("CBZ", add, skip)
	w.op(move, at(0, y), old)
	w.op("FADD", old, sums, sums)
	w.place(skip)
	w.op(move, sums, at(0, y))
}

// reduce sets the first m lanes of acc(0) to the sums of m products.
func (w *writer) reduce(acc func(i int) v, m int) {
	for i := range m {
		a := acc(i)
		w.op("FADD", a+2, a, a) // l[j] += l[j+8]
		w.op("FADD", a+3, a+1, a+1)
		w.op("FADD", a+1, a, a) // l[j] += l[j+4]
	}
	for i := 0; i < m; i += 2 {
		a, b := acc(i), acc(min(i+1, m-1))
		w.d2("VTRN2", b, a, a+1)
		w.d2("VTRN1", b, a, a)
		w.op("FADD", a+1, a, a) // l[j] += l[j+2]
	}
	w.op("FADDP", acc(max(0, m-2)), acc(0), acc(0)) // l[0] += l[1]
}
