package main

// storeKernels writes what a layer does to its vectors between the products: norm, rotation, and rounding for the cache.
func (w *writer) storeKernels() {
	w.scaleMul()
	w.rotate()
	w.toF16()
	w.quantizeQ8_0()
}

// scaleMul sets dst to x * scale * w.
func (w *writer) scaleMul() {
	load := w.fn("scaleMul", []param{{"dst", "*float32"}, {"x", "*float32"}, {"w", "*float32"}, {"n", "int"}, {"scale", "float32"}}, "")
	load("dst", "DI")
	load("x", "SI")
	load("w", "DX")
	load("n", "CX")
	load("scale", "X0")
	w.op("VBROADCASTSS", xmm(0), vec(0))
	w.op("SHRQ", 4, "CX")
	w.loop("CX", func() {
		for p := range w.parts() {
			w.op("VMULPS", mem(p*w.bytes(), "(SI)"), vec(0), vec(1))
			w.op("VMULPS", mem(p*w.bytes(), "(DX)"), vec(1), vec(1))
			w.op("VMOVUPS", vec(1), mem(p*w.bytes(), "(DI)"))
		}
		w.op("ADDQ", 64, "SI")
		w.op("ADDQ", 64, "DX")
		w.op("ADDQ", 64, "DI")
	})
	w.ret()
}

// rotate turns n pairs of values of x, n apart.
func (w *writer) rotate() {
	load := w.fn("rotate", []param{{"x", "*float32"}, {"cos", "*float32"}, {"sin", "*float32"}, {"n", "int"}}, "")
	load("x", "DI")
	load("cos", "SI")
	load("sin", "DX")
	load("n", "CX")
	w.op("LEAQ", "(DI)(CX*4)", "BX")
	w.op("SHRQ", 4, "CX")
	w.loop("CX", func() {
		for p := range w.parts() {
			at := p * w.bytes()
			w.op("VMOVUPS", mem(at, "(DI)"), vec(0))
			w.op("VMOVUPS", mem(at, "(BX)"), vec(1))
			w.op("VMOVUPS", mem(at, "(SI)"), vec(2))
			w.op("VMOVUPS", mem(at, "(DX)"), vec(3))
			w.op("VMULPS", vec(0), vec(2), vec(4))
			w.op("VMULPS", vec(1), vec(3), vec(5))
			w.op("VSUBPS", vec(5), vec(4), vec(4))
			w.op("VMOVUPS", vec(4), mem(at, "(DI)"))
			w.op("VMULPS", vec(1), vec(2), vec(4))
			w.op("VMULPS", vec(0), vec(3), vec(5))
			w.op("VADDPS", vec(5), vec(4), vec(4))
			w.op("VMOVUPS", vec(4), mem(at, "(BX)"))
		}
		for _, r := range []string{"DI", "BX", "SI", "DX"} {
			w.op("ADDQ", 64, r)
		}
	})
	w.ret()
}

// toF16 rounds n values to binary16.
func (w *writer) toF16() {
	load := w.fn("toF16", []param{{"dst", "*byte"}, {"x", "*float32"}, {"n", "int"}}, "")
	load("dst", "DI")
	load("x", "SI")
	load("n", "CX")
	w.op("SHRQ", 4, "CX")
	w.loop("CX", func() {
		for p := range w.parts() {
			w.op("VMOVUPS", mem(p*w.bytes(), "(SI)"), vec(0))
			w.op("VCVTPS2PH", 0, vec(0), mem(p*w.bytes()/2, "(DI)"))
		}
		w.op("ADDQ", 64, "SI")
		w.op("ADDQ", 32, "DI")
	})
	w.ret()
}

// quantizeQ8_0 quantizes blocks of 32 values as its namesake in Go does, up to the first whose largest magnitude is
// above limit or no number, and returns how many are left.
func (w *writer) quantizeQ8_0() {
	load := w.fn("quantizeQ8_0", []param{{"dst", "*byte"}, {"x", "*float32"}, {"blocks", "int"}, {"limit", "float32"}}, "int")
	const (
		absMask, half, signs = vec(15), vec(14), vec(13)
		one, max127, limit   = xmm(12), xmm(11), xmm(10)
	)
	load("dst", "DI")
	load("x", "SI")
	load("blocks", "CX")
	load("limit", "X10")
	w.constant(0x7fffffff, absMask)
	w.constant(0x80000000, signs)
	w.constant(0x3effffff, half) // the largest value below 1/2: added to a value, it rounds halves away from zero
	w.constant(0x3f800000, vec(one))
	w.constant(0x42fe0000, vec(max127))
	parts := 2 * w.parts()
	done, zero, scaled := w.label(), w.label(), w.label()
	again := w.label()
	w.place(again)
	for p := range parts {
		w.op("VMOVUPS", mem(p*w.bytes(), "(SI)"), vec(p))
	}
	w.op("VPAND", vec(0), absMask, vec(4))
	for p := 1; p < parts; p++ { // without its sign bit a float32 orders like an integer, NaNs above infinity
		w.op("VPAND", vec(p), absMask, vec(5))
		w.op("VPMAXUD", vec(5), vec(4), vec(4))
	}
	if w.lanes == 16 {
		w.op("VEXTRACTI64X4", 1, vec(4), ymm(5))
		w.op("VPMAXUD", ymm(5), ymm(4), ymm(4))
	}
	w.op("VEXTRACTI128", 1, ymm(4), xmm(5))
	w.op("VPMAXUD", xmm(5), xmm(4), xmm(4))
	for _, order := range []int{0x4e, 0xb1} {
		w.op("VPSHUFD", order, xmm(4), xmm(5))
		w.op("VPMAXUD", xmm(5), xmm(4), xmm(4))
	}
	w.op("VUCOMISS", limit, xmm(4))
	w.op("JHI", done) // above it
	w.op("JPS", done) // or no number
	w.op("VDIVSS", max127, xmm(4), xmm(5))
	w.op("VCVTPS2PH", 0, xmm(5), xmm(6))
	w.op("VPEXTRW", 0, xmm(6), "(DI)")
	w.op("VDIVSS", xmm(5), one, xmm(4)) // 1/d, or 0 where that is infinite
	w.op("VMOVD", xmm(4), "AX")
	w.op("CMPL", "AX", "$0x7f800000")
	w.op("JEQ", zero)
	w.place(scaled)
	w.op("VBROADCASTSS", xmm(4), vec(4))
	for p := range parts {
		w.op("VMULPS", vec(p), vec(4), vec(p))
		w.op("VPAND", vec(p), signs, vec(5))
		w.op("VPOR", vec(5), half, vec(5))
		w.op("VADDPS", vec(5), vec(p), vec(p))
		w.op("VCVTTPS2DQ", vec(p), vec(p))
		if w.lanes == 16 {
			w.op("VPMOVDB", vec(p), mem(2+16*p, "(DI)"))
		}
	}
	if w.lanes == 8 {
		w.op("VPACKSSDW", vec(1), vec(0), vec(0))
		w.op("VPACKSSDW", vec(3), vec(2), vec(2))
		w.op("VPACKSSWB", vec(2), vec(0), vec(0))
		w.op("VEXTRACTI128", 1, vec(0), xmm(1))
		w.op("VPUNPCKLDQ", xmm(1), xmm(0), xmm(2))
		w.op("VPUNPCKHDQ", xmm(1), xmm(0), xmm(3))
		w.op("VMOVDQU", xmm(2), "2(DI)")
		w.op("VMOVDQU", xmm(3), "18(DI)")
	}
	w.op("ADDQ", 128, "SI")
	w.op("ADDQ", 34, "DI")
	w.op("DECQ", "CX")
	w.op("JNZ", again)
	w.place(done)
	load("ret", "CX")
	w.ret()
	w.place(zero)
	w.op("VXORPS", xmm(4), xmm(4), xmm(4))
	w.op("JMP", scaled)
}
