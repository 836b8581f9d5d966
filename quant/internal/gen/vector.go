package main

import "fmt"

// vectorKernels writes what works on vectors of float32. Lengths are positive multiples of 16.
func (w *writer) vectorKernels() {
	w.dot("dot", "F32", "*float32", 4)
	w.dot("dotF16", "F16", "*uint16", 2)
	w.axpy("axpy", "F32", "*float32", 4)
	w.axpy("axpyF16", "F16", "*uint16", 2)
	w.expSlice()
	w.siluMul()
	for _, e := range elements {
		for n := range 4 {
			w.axpyRows(e.name, e.bytes, n+1)
		}
	}
}

func (w *writer) dot(name, element, typ string, bytes int) {
	load := w.fn(name, []param{{"x", "*float32"}, {"y", typ}, {"n", "int"}}, "float32")
	load("x", "SI")
	load("y", "DI")
	load("n", "CX")
	w.op("SHRQ", 4, "CX")
	parts := w.parts()
	for p := range parts {
		w.op("VXORPS", vec(p), vec(p), vec(p))
	}
	w.loop("CX", func() {
		for p := range parts {
			v := vec(2 + p)
			w.loadFloats(element, mem(p*w.lanes*bytes, "(DI)"), v)
			w.op("VFMADD231PS", mem(p*w.bytes(), "(SI)"), v, vec(p))
		}
		w.op("ADDQ", 64, "SI")
		w.op("ADDQ", 16*bytes, "DI")
	})
	sum := w.reduce(func(int, int) []vec {
		if parts == 2 {
			return []vec{0, 1}
		}
		return []vec{0}
	}, 2)
	load("ret", fmt.Sprintf("X%d", sum))
	w.ret()
}

func (w *writer) axpy(name, element, typ string, bytes int) {
	load := w.fn(name, []param{{"y", "*float32"}, {"x", typ}, {"n", "int"}, {"a", "float32"}}, "")
	load("y", "DI")
	load("x", "SI")
	load("n", "CX")
	load("a", "X0")
	w.op("VBROADCASTSS", xmm(0), vec(0))
	w.op("SHRQ", 4, "CX")
	w.loop("CX", func() {
		for p := range w.parts() {
			y, v := vec(1+2*p), vec(2+2*p)
			w.op("VMOVUPS", mem(p*w.bytes(), "(DI)"), y)
			w.loadFloats(element, mem(p*w.lanes*bytes, "(SI)"), v)
			w.op("VFMADD231PS", v, vec(0), y)
			w.op("VMOVUPS", y, mem(p*w.bytes(), "(DI)"))
		}
		w.op("ADDQ", 64, "DI")
		w.op("ADDQ", 16*bytes, "SI")
	})
	w.ret()
}

// exp replaces x by its exponential, in the steps of Exp. DX is the table of constants. It uses t to t+3.
func (w *writer) exp(x, t vec) {
	table := func(i int) string { return mem(4*i, "(DX)") }
	r, p := x, t+3
	w.op("VBROADCASTSS", table(0), t)
	w.op("VMAXPS", x, t, x) // of a NaN and a number both instructions return the last operand: x
	w.op("VBROADCASTSS", table(1), t)
	w.op("VMINPS", x, t, x)
	w.op("VBROADCASTSS", table(2), t) // log2(e)
	w.op("VBROADCASTSS", table(3), t+1)
	w.op("VFMADD213PS", t+1, x, t)
	w.op("VSUBPS", t+1, t, t+2) // n
	w.op("VPSUBD", t+1, t, t)   // n as an integer
	w.withBroadcast("VFMADD231PS", table(4), t+2, r)
	w.withBroadcast("VFMADD231PS", table(5), t+2, r)
	w.op("VBROADCASTSS", table(6), p)
	for i := 7; i <= 10; i++ {
		w.withBroadcast("VFMADD213PS", table(i), r, p)
	}
	w.op("VBROADCASTSS", table(11), t+1) // 1
	w.op("VFMADD213PS", t+1, r, p)
	w.op("VFMADD213PS", t+1, r, p)
	w.op("VPSRAD", 1, t, t+2)
	w.op("VPSUBD", t+2, t, t)
	for _, e := range []vec{t + 2, t} { // times 2^e
		w.op("VPSLLD", 23, e, e)
		w.op("VPADDD", t+1, e, e)
		w.op("VMULPS", e, p, p)
	}
	w.op("VMOVUPS", p, x)
}

func (w *writer) expSlice() {
	load := w.fn("expSlice", []param{{"dst", "*float32"}, {"x", "*float32"}, {"n", "int"}, {"table", "*expConstants"}}, "")
	load("dst", "DI")
	load("x", "SI")
	load("n", "CX")
	load("table", "DX")
	w.op("SHRQ", 4, "CX")
	w.loop("CX", func() {
		for p := range w.parts() {
			w.op("VMOVUPS", mem(p*w.bytes(), "(SI)"), vec(0))
			w.exp(0, 1)
			w.op("VMOVUPS", vec(0), mem(p*w.bytes(), "(DI)"))
		}
		w.op("ADDQ", 64, "SI")
		w.op("ADDQ", 64, "DI")
	})
	w.ret()
}

func (w *writer) siluMul() {
	load := w.fn("siluMul", []param{{"dst", "*float32"}, {"gate", "*float32"}, {"up", "*float32"}, {"n", "int"}, {"table", "*expConstants"}}, "")
	load("dst", "DI")
	load("gate", "SI")
	load("up", "BX")
	load("table", "DX")
	load("n", "CX")
	w.op("SHRQ", 4, "CX")
	w.constant(0x80000000, 6)
	w.loop("CX", func() {
		for p := range w.parts() {
			w.op("VMOVUPS", mem(p*w.bytes(), "(SI)"), vec(5))
			w.op("VPXOR", vec(6), vec(5), vec(0))
			w.exp(0, 1)
			w.op("VADDPS", vec(2), vec(0), vec(0)) // exp left 1 there
			w.op("VDIVPS", vec(0), vec(5), vec(5))
			w.op("VMULPS", mem(p*w.bytes(), "(BX)"), vec(5), vec(5))
			w.op("VMOVUPS", vec(5), mem(p*w.bytes(), "(DI)"))
		}
		w.op("ADDQ", 64, "SI")
		w.op("ADDQ", 64, "BX")
		w.op("ADDQ", 64, "DI")
	})
	w.ret()
}

// storeTile stores n vectors to y, stride bytes apart, or adds them there.
func (w *writer) storeTile() {
	load := w.fn("storeTile", []param{{"y", "*float32"}, {"stride", "int"}, {"acc", "*float32"}, {"n", "int"}, {"add", "bool"}}, "")
	load("y", "DI")
	load("stride", "R8")
	load("acc", "SI")
	load("n", "CX")
	load("add", "AX")
	w.loop("CX", func() {
		skip := w.label()
		w.op("VMOVUPS", "(SI)", vec(0))
		w.op("TESTB", "AX", "AX")
		w.op("JEQ", skip)
		w.op("VADDPS", "(DI)", vec(0), vec(0))
		w.place(skip)
		w.op("VMOVUPS", vec(0), "(DI)")
		w.op("ADDQ", w.bytes(), "SI")
		w.op("ADDQ", "R8", "DI")
	})
	w.ret()
}

var rowsParams = []param{{"y", "*float32"}, {"yStride", "int"}, {"p", "*float32"}, {"pStride", "int"},
	{"v", "*byte"}, {"vStride", "int"}, {"rows", "int"}, {"width", "int"}}

// axpyRows adds rows of v, each times its p, to n rows of y. Strides are in bytes; width is a multiple of 16.
func (w *writer) axpyRows(name string, bytes, n int) {
	load := w.fn(fmt.Sprintf("axpyRows%sx%d", name, n), rowsParams, "")
	load("y", "DI")
	load("yStride", "R8")
	load("pStride", "R10")
	load("v", "SI")
	load("vStride", "R12")
	load("width", "CX")
	w.op("LEAQ", "(R8)(R8*2)", "R9")
	w.op("LEAQ", "(R10)(R10*2)", "R11")
	unit := 4 // columns at once, in 16
	if w.lanes == 8 {
		unit /= n // for want of registers
	}
	for ; unit > 0; unit /= 2 {
		parts := unit * w.parts()
		y := func(i, part int) vec { return vec(i*parts + part) }
		p := func(i int) vec { return y(n, i) }
		v := p(n)
		again, next := w.label(), w.label()
		w.place(again)
		w.op("CMPQ", "CX", 16*unit)
		w.op("JLT", next)
		each(n, func(i vec) {
			for part := range parts {
				w.op("VMOVUPS", fourFrom("(DI)", "R8", "R9", int(i), part*w.bytes()), y(int(i), part))
			}
		})
		load("p", "DX")
		load("rows", "BX")
		w.op("MOVQ", "SI", "AX")
		w.loop("BX", func() {
			each(n, func(i vec) { w.op("VBROADCASTSS", fourFrom("(DX)", "R10", "R11", int(i), 0), p(int(i))) })
			for part := range parts {
				w.loadFloats(name, mem(part*w.lanes*bytes, "(AX)"), v)
				each(n, func(i vec) { w.op("VFMADD231PS", v, p(int(i)), y(int(i), part)) })
			}
			w.op("ADDQ", "R12", "AX")
			w.op("ADDQ", 4, "DX")
		})
		each(n, func(i vec) {
			for part := range parts {
				w.op("VMOVUPS", y(int(i), part), fourFrom("(DI)", "R8", "R9", int(i), part*w.bytes()))
			}
		})
		w.op("ADDQ", 64*unit, "DI")
		w.op("ADDQ", 16*unit*bytes, "SI")
		w.op("SUBQ", 16*unit, "CX")
		w.op("JMP", again)
		w.place(next)
	}
	w.ret()
}
