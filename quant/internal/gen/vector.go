package main

import "fmt"

// vectorKernels writes what works on vectors of float32. Lengths are positive multiples of 16.
func (w *writer) vectorKernels() {
	if w.extends() {
		return
	}
	w.dot()
	w.expSlice()
	w.siluMul()
	w.attentionKernels()
	w.storeKernels()
	w.chooseKernels()
}

func (w *writer) dot() {
	load := w.fn("dot", []param{{"x", "*float32"}, {"y", "*float32"}, {"n", "int"}}, "float32")
	load("x", "SI")
	load("y", "DI")
	load("n", "CX")
	w.op("SHRQ", 4, "CX")
	var sums []vec
	for p := range w.parts() {
		sums = append(sums, vec(p))
		w.op("VXORPS", vec(p), vec(p), vec(p))
	}
	w.loop("CX", func() {
		for _, p := range sums {
			w.op("VMOVUPS", mem(int(p)*w.bytes(), "(DI)"), vec(2))
			w.op("VFMADD231PS", mem(int(p)*w.bytes(), "(SI)"), vec(2), p)
		}
		w.op("ADDQ", 64, "SI")
		w.op("ADDQ", 64, "DI")
	})
	w.sum(sums, 2, load)
	w.ret()
}

// sum stores the sum of the 16 lanes in the registers of l as the result of a function. It overwrites t and t+1.
func (w *writer) sum(l []vec, t vec, load func(param, reg string)) {
	total := w.reduce(func(int, int) []vec { return l }, t)
	load("ret", fmt.Sprintf("X%d", total))
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
	w.op("VFMADD231PS", w.broadcast(table(4), temp), t+2, r)
	w.op("VFMADD231PS", w.broadcast(table(5), temp), t+2, r)
	w.op("VBROADCASTSS", table(6), p)
	for i := 7; i <= 10; i++ {
		w.op("VFMADD213PS", w.broadcast(table(i), temp), r, p)
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

// storeTile stores n times 16 values to y, stride bytes apart, or adds them there.
func (w *writer) storeTile() {
	load := w.fn("storeTile", []param{{"y", "*float32"}, {"stride", "int"}, {"acc", "*float32"}, {"n", "int"}, {"add", "bool"}}, "")
	load("y", "DI")
	load("stride", "R8")
	load("acc", "SI")
	load("n", "CX")
	load("add", "AX")
	w.loop("CX", func() {
		skip := w.label()
		w.loadParts("(SI)", 0, 0)
		w.op("TESTB", "AX", "AX")
		w.op("JEQ", skip)
		each(w.parts(), func(p vec) { w.op("VADDPS", w.at("(DI)", 0, int(p)), p, p) })
		w.place(skip)
		each(w.parts(), func(p vec) { w.op("VMOVUPS", p, w.at("(DI)", 0, int(p))) })
		w.op("ADDQ", 64, "SI")
		w.op("ADDQ", "R8", "DI")
	})
	w.ret()
}
