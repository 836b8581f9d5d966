package neon

import "fmt"

// vectorKernels writes what works on vectors of float32. Lengths are positive multiples of 16.
func (w *writer) vectorKernels() {
	w.dot()
	w.expSlice()
	w.siluMul()
	w.read()
	for _, e := range elements[:2] { // of a cache
		for n := range 4 {
			w.axpyRows(e.name, e.bytes, n+1)
		}
	}
}

func (w *writer) dot() {
	const x, y, n = r(0), r(1), r(2)
	load := w.fn("dot", []param{{"x", "*float32"}, {"y", "*float32"}, {"n", "int"}}, "float32")
	load("x", x)
	load("y", y)
	load("n", n)
	w.op("LSR", 4, n)
	w.zero(0, 1, 2, 3)
	w.loop(n, func() {
		for half := range 2 {
			w.op("FLDPQ.P", at(32, x), pair(4, 5))
			w.op("FLDPQ.P", at(32, y), pair(6, 7))
			w.s4("VFMLA", v(4), v(6), v(2*half))
			w.s4("VFMLA", v(5), v(7), v(2*half+1))
		}
	})
	w.reduce(func(int) v { return 0 }, 1)
	load("ret", v(0))
	w.ret()
}

// Constants of exp, in every lane, from expConstant on: the order is that of expConstants.
const (
	expConstant = v(16)
	expMin      = expConstant
	expMax      = expConstant + 1
	expLog2E    = expConstant + 2
	expMagic    = expConstant + 3
	expLn2Hi    = expConstant + 4 // this and the next negative
	expLn2Lo    = expConstant + 5
	expC6       = expConstant + 6 // expC5 to expC2 follow
	expC2       = expConstant + 10
	expOne      = expConstant + 11
)

func (w *writer) loadConstants(table r) {
	for i := range v(12) {
		w.op("VLD1R.P", at(4, table), fmt.Sprintf("[V%d.S4]", int(expConstant+i)))
	}
}

// exp replaces x by its exponential, in the steps of Exp. It uses t to t+2.
func (w *writer) exp(x, t v) {
	n, e, p := t, t+1, t+2
	w.op("FMAX", expMin, x, x) // a NaN stays
	w.op("FMIN", expMax, x, x)
	w.b16("VMOV", expMagic, e)
	w.s4("VFMLA", expLog2E, x, e)
	w.op("FSUB", expMagic, e, n)
	w.s4("VSUB", expMagic, e, e) // n as an integer
	w.s4("VFMLA", expLn2Hi, n, x)
	w.s4("VFMLA", expLn2Lo, n, x)
	q := n
	w.b16("VMOV", expC6, p)
	for c := expC6 + 1; c <= expC2; c++ {
		w.b16("VMOV", c, q)
		w.s4("VFMLA", x, p, q)
		p, q = q, p
	}
	for range 2 {
		w.b16("VMOV", expOne, q)
		w.s4("VFMLA", x, p, q)
		p, q = q, p
	}
	// p * 2^e in two steps
	w.op("SSHR.S", 1, e, q)
	w.s4("VSUB", q, e, e)
	for _, e := range []v{q, e} {
		w.s4("VSHL", 23, e, e)
		w.s4("VADD", expOne, e, e)
	}
	w.op("FMUL", q, p, p)
	w.op("FMUL", e, p, x)
}

func (w *writer) expSlice() {
	const dst, x, n, table = r(0), r(1), r(2), r(3)
	load := w.fn("expSlice", []param{{"dst", "*float32"}, {"x", "*float32"}, {"n", "int"}, {"table", "*expConstants"}}, "")
	load("dst", dst)
	load("x", x)
	load("n", n)
	load("table", table)
	w.loadConstants(table)
	w.op("LSR", 4, n)
	w.loop(n, func() {
		for i := v(0); i < 4; i += 2 {
			w.op("FLDPQ.P", at(32, x), pair(i, i+1))
		}
		for i := range v(4) {
			w.exp(i, 4+3*i)
		}
		for i := v(0); i < 4; i += 2 {
			w.op("FSTPQ.P", pair(i, i+1), at(32, dst))
		}
	})
	w.ret()
}

func (w *writer) siluMul() {
	const dst, gate, up, n, table = r(0), r(1), r(2), r(3), r(4)
	load := w.fn("siluMul", []param{{"dst", "*float32"}, {"gate", "*float32"}, {"up", "*float32"}, {"n", "int"}, {"table", "*expConstants"}}, "")
	load("dst", dst)
	load("gate", gate)
	load("up", up)
	load("n", n)
	load("table", table)
	w.loadConstants(table)
	w.op("LSR", 4, n)
	w.loop(n, func() {
		for i := v(0); i < 4; i += 2 {
			w.op("FLDPQ", at(16*int(i), gate), pair(i, i+1))
		}
		for i := range v(4) {
			w.op("FNEG", i, i)
			w.exp(i, 4+3*i)
			w.op("FADD", expOne, i, i)
		}
		for i := v(0); i < 4; i += 2 {
			w.op("FLDPQ.P", at(32, gate), pair(4, 5))
			w.op("FLDPQ.P", at(32, up), pair(6, 7))
			for k := range v(2) {
				w.op("FDIV", i+k, 4+k, i+k)
				w.op("FMUL", 6+k, i+k, i+k)
			}
			w.op("FSTPQ.P", pair(i, i+1), at(32, dst))
		}
	})
	w.ret()
}

var rowsParams = []param{{"y", "*float32"}, {"yStride", "int"}, {"p", "*float32"}, {"pStride", "int"},
	{"v", "*byte"}, {"vStride", "int"}, {"rows", "int"}, {"width", "int"}, {"ahead", "int"}, {"pace", "int"}}

// axpyRows adds rows of v, each times its p, to n rows of y. Strides are in bytes; width is a multiple of 16. For each
// row and so many columns as axpyColumns in cpu_arm64.go says, it prefetches what it takes of a row from ahead bytes
// behind v on, pace bytes further every time.
func (w *writer) axpyRows(name string, bytes, n int) {
	const (
		yStride, pStride, vStride, column, left, count, from = r(0), r(1), r(2), r(3), r(4), r(5), r(6)
		y                                                    = r(7)  // and the next three
		p                                                    = r(11) // and the next three
		ahead, pace                                          = r(15), r(19)
	)
	load := w.fn(fmt.Sprintf("axpyRows%sx%d", name, n), rowsParams, "")
	load("y", y)
	load("yStride", yStride)
	load("pStride", pStride)
	load("v", column)
	load("vStride", vStride)
	load("width", left)
	load("ahead", ahead)
	load("pace", pace)
	w.op("ADD", column, ahead)
	for i := range r(n - 1) {
		w.op("ADD", yStride, y+i, y+i+1)
	}
	for unit := []int{4, 2, 1, 1}[n-1]; unit > 0; unit /= 2 { // columns at once, in 16
		sum := func(row, part int) v { return v(row*4*unit + part) }
		values := sum(n, 0)
		weight := values + 2
		sums := func(move func(registers, memory string)) {
			for i := range n {
				for part := 0; part < 4*unit; part += 2 {
					move(pair(sum(i, part), sum(i, part+1)), at(16*part, y+r(i)))
				}
			}
		}
		again, next := w.label(), w.label()
		w.place(again)
		w.op("CMP", 16*unit, left)
		w.op("BLT", next)
		sums(func(registers, memory string) { w.op("FLDPQ", memory, registers) })
		load("p", p)
		for i := range r(n - 1) {
			w.op("ADD", pStride, p+i, p+i+1)
		}
		load("rows", count)
		w.op("MOVD", column, from)
		w.loop(count, func() {
			for line := 0; line < 16*unit*bytes; line += 64 {
				w.op("PRFM", at(line, ahead), "PLDL1KEEP")
			}
			w.op("ADD", pace, ahead)
			for i := range n {
				w.op("FMOVS.P", at(4, p+r(i)), weight+v(i))
			}
			for half := range 2 * unit {
				w.loadFloats(name, 8*bytes*half, from, values)
				for i := range n {
					for part := range 2 {
						w.op("FMLA", lane{weight + v(i), 0}, values+v(part), sum(i, 2*half+part))
					}
				}
			}
			w.op("ADD", vStride, from)
		})
		sums(func(registers, memory string) { w.op("FSTPQ", registers, memory) })
		for i := range r(n) {
			w.op("ADD", 64*unit, y+i)
		}
		w.op("ADD", 16*unit*bytes, column)
		w.op("SUB", 16*unit, left)
		w.op("B", again)
		w.place(next)
	}
	w.ret()
}

// read reads n bytes, a positive multiple of 1024.
func (w *writer) read() {
	const p, n = r(0), r(1)
	load := w.fn("read", []param{{"p", "*byte"}, {"n", "int"}}, "")
	load("p", p)
	load("n", n)
	w.op("LSR", 7, n)
	w.loop(n, func() {
		for i := v(0); i < 8; i += 2 {
			w.op("FLDPQ.P", at(32, p), pair(i, i+1))
		}
	})
	w.ret()
}
