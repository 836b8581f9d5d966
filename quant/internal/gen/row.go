package main

var rowParams = []param{{"y", "*float32"}, {"w", "*byte"}, {"a", "unsafe.Pointer"}, {"terms", "*rowTerms"},
	{"blocks", "int"}, {"rows", "int"}, {"add", "bool"}}

const (
	actSize       = 320     // of a group of activations
	rowTermsBytes = 64      // of what some blocks of a row give: vectors of scales and sums
	rowTermsMax   = 128     // times that, of a row
	rowAhead      = 8 << 10 // how far before their use weights are prefetched
)

// The kernels for one activation row multiply it by weight rows that follow one another, straight from the
// packed blocks; y += with add. Memory bounds them, and it gives most if it is read in one sequence: so they multiply a
// few neighbouring blocks of one row at a time. What these give is kept until there are four rows of it, whose chains
// then run side by side, as every step of a chain waits for the one before.
func (w *writer) rowKernels() {
	if w.lanes == 16 {
		w.wideRowQ8_0()
		w.wideRowMins("rowQ4K", 144, false)
		w.wideRowMins("rowQ5K", 176, true)
		w.wideRowQ6K()
		return
	}
	w.rowTable()
	w.rowQ8_0()
	w.rowMins("rowQ4K", 144, false)
	w.rowMins("rowQ5K", 176, true)
	w.rowQ6K()
}

// rowFn writes a kernel that takes so many blocks at a time, of a row with at least as many. Where the last ones are
// fewer, it takes some before them again. terms computes what the blocks at SI and the activations at DX give, vectors
// for (R12): their scales times those of the activations, then their sums; with mins, both for the minimums too. Every
// block has a group of activations, unless they share one.
func (w *writer) rowFn(name string, blocks, blockBytes int, mins bool, prepare, terms func()) {
	load := w.fn(name, rowParams, "")
	load("w", "SI")
	load("y", "DI")
	load("rows", "BX")
	load("add", "R13")
	prepare()
	tile, row, again, chain, done := w.label(), w.label(), w.label(), w.label(), w.label()
	groups := 1
	if blocks == 4 {
		groups = blocks
	}

	w.place(tile)
	load("terms", "R12")
	w.op("MOVQ", 4, "R8")
	w.op("CMPQ", "BX", "R8")
	w.op("CMOVQLT", "BX", "R8")
	w.place(row)
	load("a", "DX")
	load("blocks", "CX")
	w.place(again)
	if groups > 1 {
		full := w.label()
		w.op("CMPQ", "CX", blocks)
		w.op("JGE", full)
		w.op("LEAQ", mem(-blocks, "(CX)"), "AX")
		w.op("IMUL3Q", blockBytes, "AX", "R9")
		w.op("ADDQ", "R9", "SI")
		w.op("IMUL3Q", actSize, "AX", "R9")
		w.op("ADDQ", "R9", "DX")
		w.place(full)
	}
	w.spread(blocks*blockBytes/64+1, func(i int) { w.op("PREFETCHT0", mem(rowAhead+64*i, "(SI)")) }, terms)
	w.op("ADDQ", blocks*blockBytes, "SI")
	w.op("ADDQ", groups*actSize, "DX")
	w.op("ADDQ", rowTermsBytes, "R12")
	w.op("SUBQ", blocks, "CX")
	w.op("JGT", again)
	w.op("DECQ", "R8")
	w.op("JNZ", row)

	load("terms", "R12")
	load("blocks", "CX")
	w.op("LEAQ", mem(blocks-1, "(CX)"), "R9") // bytes of a row's terms
	w.op("ANDQ", -blocks, "R9")
	w.op("IMUL3Q", rowTermsBytes/blocks, "R9", "R9")
	w.op("LEAQ", "(R9)(R9*2)", "R10")
	each(4, func(r vec) { w.op("VPXOR", r, r, r) })
	w.place(chain)
	for b := range blocks {
		skip := w.label()
		if groups > 1 && b < blocks-1 {
			w.op("CMPQ", "CX", blocks-b)
			w.op("JLT", skip)
		}
		step := func(fma string, offset int) {
			each(4, func(r vec) {
				term := func(i int) string { return fourFrom("(R12)", "R9", "R10", int(r), offset+4*(i*blocks+b)) }
				w.op("VMOVSS", term(0), xmm(4+r))
				w.op(fma, term(1), xmm(4+r), xmm(r))
			})
		}
		step("VFMADD231SS", 0)
		if mins {
			step("VFNMADD231SS", 8*blocks)
		}
		w.place(skip)
	}
	w.op("ADDQ", rowTermsBytes, "R12")
	w.op("SUBQ", blocks, "CX")
	w.op("JGT", chain)
	each(4, func(r vec) {
		skip := w.label()
		w.op("TESTB", "R13", "R13")
		w.op("JEQ", skip)
		w.op("VADDSS", "(DI)", xmm(r), xmm(r))
		w.place(skip)
		w.op("VMOVSS", xmm(r), "(DI)")
		w.op("ADDQ", 4, "DI")
		w.op("DECQ", "BX")
		w.op("JEQ", done)
	})
	w.op("JMP", tile)
	w.place(done)
	w.ret()
}

// addFours sets the lanes of every 128-bit part of x to the sums of that part of x, x+1, x+2, x+3. It uses t, t+1.
func (w *writer) addFours(x, t vec) {
	pair := func(unpack string, a, b vec) {
		w.op("VPUNPCKL"+unpack, b, a, t)
		w.op("VPUNPCKH"+unpack, b, a, t+1)
		w.op("VPADDD", t+1, t, a)
	}
	pair("DQ", x, x+1)
	pair("DQ", x+2, x+3)
	pair("QDQ", x, x+2)
}

// row256 writes a kernel for a k type. sums leaves the sums of 4 blocks in the registers 0 to 3, to be added up,
// and scales those of their scales (with mins, and of the minimums, in the upper half) in register 10.
func (w *writer) row256(name string, blockBytes int, mins bool, prepare, sums, scales func()) {
	w.rowFn(name, 4, blockBytes, mins, prepare, func() {
		sums()
		w.addFours(0, 8)
		if w.lanes == 16 {
			w.op("VEXTRACTI64X4", 1, vec(0), ymm(1))
			w.op("VPADDD", ymm(1), ymm(0), ymm(0))
		}
		w.op("VEXTRACTI128", 1, ymm(0), xmm(1))
		w.op("VPADDD", xmm(1), xmm(0), xmm(0))
		w.op("VCVTDQ2PS", xmm(0), xmm(0))
		w.op("VMOVSS", mem(act256D, "(DX)"), xmm(8))
		for i := 1; i < 4; i++ {
			w.op("VINSERTPS", 16*i, mem(i*actSize+act256D, "(DX)"), xmm(8), xmm(8))
		}
		scales()
		w.op("VMULPS", xmm(8), xmm(10), xmm(9))
		w.op("VMOVUPS", xmm(9), "(R12)")
		w.op("VMOVUPS", xmm(0), "16(R12)")
		if mins {
			w.op("VEXTRACTF128", 1, ymm(10), xmm(10))
			w.op("VMULPS", xmm(8), xmm(10), xmm(10))
			w.op("VMOVUPS", xmm(10), "32(R12)")
		}
	})
}
