package main

// actKernels writes what quantizes n blocks of activations as quantizeAct does, with their sums: blocks of 256,
// or of 32, all in one group. They are AVX2.
func (w *writer) actKernels() {
	w.actKernel("quantizeAct256", "*act256", 256, func() {
		w.sums256()
		w.op("VMOVSS", xmm(1), mem(act256D, "(DI)"))
		w.op("ADDQ", 320, "DI")
	})
	w.actKernel("quantizeAct32", "*act32", 32, func() {
		w.op("VMOVSS", xmm(1), mem(act32D, "(DX)"))
		w.op("VPMADDUBSW", vec(4), onesBytes, vec(4))
		w.op("VPMADDWD", onesWords, vec(4), vec(4))
		w.op("VEXTRACTI128", 1, vec(4), xmm(5))
		w.op("VPADDD", xmm(5), xmm(4), xmm(4))
		w.op("VPHADDD", xmm(4), xmm(4), xmm(4))
		w.op("VPHADDD", xmm(4), xmm(4), xmm(4))
		w.op("VMOVD", xmm(4), "AX")
		w.op("SHLL", 7, "AX")
		w.op("NEGL", "AX")
		w.op("MOVL", "AX", mem(actBias, "(DX)"))
		w.op("ADDQ", 32, "DI")
		w.op("ADDQ", 4, "DX")
	})
}

const (
	absMask   = vec(15)
	onesBytes = vec(14)
	onesWords = vec(13)
	order     = vec(12)
	limit     = vec(11) // 127
)

// actKernel writes a kernel that quantizes n blocks from SI to DI; rest writes what belongs to a block beside
// its values, moves DI on, and finds the scale in register 1 and a block of 32 in register 4. DX is the group.
func (w *writer) actKernel(name, typ string, values int, rest func()) {
	load := w.fn(name, []param{{"dst", typ}, {"x", "*float32"}, {"n", "int"}}, "")
	load("dst", "DI")
	load("x", "SI")
	load("n", "CX")
	w.op("MOVQ", "DI", "DX")
	w.constant(0x7fffffff, absMask)
	w.constant(0x01010101, onesBytes)
	w.constant(0x00010001, onesWords)
	w.constant(0x42fe0000, limit)
	w.op("MOVQ", "$0x0703060205010400", "AX")
	w.op("VMOVQ", "AX", xmm(order))
	w.op("VPMOVZXBD", xmm(order), order)
	w.loop("CX", func() {
		zero, done := w.label(), w.label()
		for i := range vec(4) {
			w.op("VPAND", mem(32*int(i), "(SI)"), absMask, i)
		}
		for i := 4; i < values/8; i++ {
			w.op("VPAND", mem(32*i, "(SI)"), absMask, vec(4))
			w.op("VPMAXUD", vec(4), vec(i%4), vec(i%4))
		}
		w.op("VPMAXUD", vec(1), vec(0), vec(0))
		w.op("VPMAXUD", vec(3), vec(2), vec(2))
		w.op("VPMAXUD", vec(2), vec(0), vec(0))
		w.op("VEXTRACTI128", 1, vec(0), xmm(1))
		w.op("VPMAXUD", xmm(1), xmm(0), xmm(0))
		for _, half := range []int{0x4e, 0xb1} {
			w.op("VPSHUFD", half, xmm(0), xmm(1))
			w.op("VPMAXUD", xmm(1), xmm(0), xmm(0))
		}
		w.op("VDIVSS", xmm(0), xmm(limit), xmm(2)) // 127/max
		for _, x := range []xmm{0, 2} {
			w.op("VMOVD", x, "AX")
			w.op("CMPL", "AX", "$0x7f7fffff") // the largest finite value
			w.op("JHI", zero)
		}
		w.op("VDIVSS", xmm(limit), xmm(0), xmm(1))
		w.op("VBROADCASTSS", xmm(2), vec(2))
		for block := 0; block < values; block += 32 {
			for i := range 4 {
				w.op("VMULPS", mem(4*block+32*i, "(SI)"), vec(2), vec(4+i))
				w.op("VCVTPS2DQ", vec(4+i), vec(4+i))
			}
			w.op("VPACKSSDW", vec(5), vec(4), vec(4))
			w.op("VPACKSSDW", vec(7), vec(6), vec(6))
			w.op("VPACKSSWB", vec(6), vec(4), vec(4))
			w.op("VPERMD", vec(4), order, vec(4))
			w.op("VMOVDQU", vec(4), mem(block, "(DI)"))
		}
		w.op("JMP", done)
		w.place(zero)
		w.op("VPXOR", vec(1), vec(1), vec(1))
		w.op("VPXOR", vec(4), vec(4), vec(4))
		for block := 0; block < values; block += 32 {
			w.op("VMOVDQU", vec(4), mem(block, "(DI)"))
		}
		w.place(done)
		rest()
		w.op("ADDQ", 4*values, "SI")
	})
	w.ret()
}

// sums256 stores the sums of every 16 and every 32 values of the group at DI.
func (w *writer) sums256() {
	// Registers 4 and 5: the sums of 16, dwords; those of the first halves of every 32 in the lower 128 bits.
	for half := range 2 {
		for i := range 4 {
			v := vec(4 + half + i)
			w.op("VPMADDUBSW", mem(128*half+32*i, "(DI)"), onesBytes, v)
			w.op("VPMADDWD", onesWords, v, v)
		}
		v := vec(4 + half)
		w.op("VPHADDD", v+1, v, v)
		w.op("VPHADDD", v+3, v+2, v+2)
		w.op("VPHADDD", v+2, v, v)
	}
	w.op("VPACKSSDW", vec(5), vec(4), vec(4))
	w.op("VEXTRACTI128", 1, vec(4), xmm(5))
	w.op("VPUNPCKLWD", xmm(5), xmm(4), xmm(6))
	w.op("VPUNPCKHWD", xmm(5), xmm(4), xmm(7))
	w.op("VMOVDQU", xmm(6), mem(actSum16, "(DI)"))
	w.op("VMOVDQU", xmm(7), mem(actSum16+16, "(DI)"))
	w.op("VPADDW", xmm(5), xmm(4), xmm(4))
	w.op("VMOVDQU", xmm(4), mem(actSum32, "(DI)"))
}
