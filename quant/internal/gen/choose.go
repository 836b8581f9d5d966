package main

// chooseKernels writes what goes over a row of logits.
func (w *writer) chooseKernels() {
	w.argMax()
	w.sumExp()
}

// argMax returns the first index of the largest of n values, 0 if none is above -Inf. A NaN is never larger.
func (w *writer) argMax() {
	load := w.fn("argMax", []param{{"x", "*float32"}, {"n", "int"}}, "int")
	load("x", "SI")
	load("n", "CX")
	w.op("SHRQ", 4, "CX")
	w.op("MOVQ", "CX", "BX")
	w.op("MOVQ", "SI", "DI")
	w.constant(0xff800000, 0) // -Inf
	w.constant(0xff800000, 3)
	w.loop("CX", func() {
		for p := range w.parts() {
			w.op("VMOVUPS", mem(p*w.bytes(), "(SI)"), vec(1))
			w.op("VMAXPS", vec(0), vec(1), vec(0)) // of a NaN and a number, the last operand
		}
		w.op("ADDQ", 64, "SI")
	})
	w.max(0, 1)
	w.op("XORQ", "AX", "AX")
	found, done := w.label(), w.label()
	w.op("VUCOMISS", xmm(0), xmm(3))
	w.op("JEQ", done)
	w.op("VBROADCASTSS", xmm(0), vec(0))
	again := w.label()
	w.place(again)
	for p := range w.parts() {
		if w.lanes == 16 {
			w.op("VCMPPS", 0, "(DI)", vec(0), "K1")
			w.op("KMOVW", "K1", "DX")
		} else {
			w.op("VCMPPS", 0, mem(p*w.bytes(), "(DI)"), vec(0), vec(1))
			w.op("VMOVMSKPS", vec(1), "DX")
		}
		w.op("TESTL", "DX", "DX")
		w.op("JNE", found)
		w.op("ADDQ", w.lanes, "AX")
	}
	w.op("ADDQ", 64, "DI")
	w.op("DECQ", "BX")
	w.op("JNZ", again)
	w.place(found)
	w.op("BSFL", "DX", "DX")
	w.op("ADDQ", "DX", "AX")
	w.place(done)
	load("ret", "AX")
	w.ret()
}

// max leaves the largest lane of x in its lowest one. It overwrites t.
func (w *writer) max(x, t vec) {
	if w.lanes == 16 {
		w.op("VEXTRACTF32X8", 1, x, ymm(t))
		w.op("VMAXPS", ymm(t), ymm(x), ymm(x))
	}
	w.op("VEXTRACTF128", 1, ymm(x), xmm(t))
	w.op("VMAXPS", xmm(t), xmm(x), xmm(x))
	for _, half := range []int{0x4e, 0xb1} {
		w.op("VPERMILPS", half, xmm(x), xmm(t))
		w.op("VMAXPS", xmm(t), xmm(x), xmm(x))
	}
}

// sumExp returns the sum of the exponentials of n values less shift, in the order of Dot.
func (w *writer) sumExp() {
	load := w.fn("sumExp", []param{{"x", "*float32"}, {"n", "int"}, {"shift", "float32"}, {"table", "*expConstants"}}, "float32")
	load("x", "SI")
	load("n", "CX")
	load("table", "DX")
	load("shift", "X9")
	shift, sum := vec(9), vec(10)
	w.op("VBROADCASTSS", xmm(shift), shift)
	w.op("SHRQ", 4, "CX")
	var sums []vec
	for p := range w.parts() {
		sums = append(sums, sum+vec(p))
		w.op("VXORPS", sums[p], sums[p], sums[p])
	}
	w.loop("CX", func() {
		for p := range w.parts() {
			w.op("VMOVUPS", mem(p*w.bytes(), "(SI)"), vec(0))
			w.op("VSUBPS", shift, vec(0), vec(0))
			w.exp(0, 1)
			w.op("VADDPS", vec(0), sums[p], sums[p])
		}
		w.op("ADDQ", 64, "SI")
	})
	w.sum(sums, 0, load)
	w.ret()
}
