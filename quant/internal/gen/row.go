package main

import "fmt"

var rowParams = []param{{"y", "*float32"}, {"w", "*byte"}, {"a", "unsafe.Pointer"}, {"terms", "*rowTerms"},
	{"blocks", "int"}, {"rows", "int"}, {"add", "bool"}}

const (
	actSize       = 320     // of a group of activations
	rowTermsBytes = 64      // of what some blocks of a row give: vectors of scales and sums
	rowTermsMax   = 128     // times that, of a row
	rowAhead      = 8 << 10 // how far before their use weights are prefetched
)

// Registers of the kernels for one activation row.
const (
	rowNibble = vec(31) // 15 in every byte
	rowConst  = vec(20) // and the next ones: what a type needs
)

// The AVX-512 kernels for one activation row multiply it by weight rows that follow one another, straight from the
// packed blocks; y += with add. Memory bounds them, and it gives most if it is read in one sequence: so they multiply a
// few neighbouring blocks of one row at a time. What these give is kept until there are four rows of it, whose chains
// then run side by side, as every step of a chain waits for the one before.
func (w *writer) rowKernels() {
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
	w.constant(0x0f0f0f0f, rowNibble)
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

// quarters sets the qwords of every 128-bit part of v.
func (w *writer) quarters(v vec, low, high uint64) {
	w.qwords(v, low, high)
	w.op("VSHUFI32X4", 0, v, v, v)
}

func (w *writer) qwords(v vec, low, high uint64) {
	w.op("MOVQ", fmt.Sprintf("$%#016x", low), "AX")
	w.op("VMOVQ", "AX", xmm(v))
	w.op("MOVQ", fmt.Sprintf("$%#016x", high), "AX")
	w.op("VPINSRQ", 1, "AX", xmm(v), xmm(v))
}

// twoHalves sets the dwords of the lower and the upper half of v. It uses t.
func (w *writer) twoHalves(v, t vec, low, high uint32) {
	w.constant(low, v)
	w.constant(high, t)
	w.op("VINSERTI64X4", 1, ymm(t), v, v)
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

func (w *writer) rowQ8_0() {
	const (
		blockBytes = 34
		order      = rowConst // the first dwords of the 128-bit parts 0 and 2 in turn, then the second ones ...
		words      = rowConst + 1
		sign       = rowConst + 2
	)
	w.rowFn("rowQ8_0", 8, blockBytes, false, func() {
		w.qwords(order, 0x0b030a0209010800, 0)
		w.op("VPMOVZXBD", xmm(order), order)
		w.constant(0x33221100, words) // where the scales of 4 blocks are
		w.op("VPMOVZXBW", xmm(words), ymm(words))
		w.constant(0x80808080, sign)
	}, func() {
		each(4, func(i vec) { // two blocks, in the halves of a register
			w.op("VMOVDQU", mem(2*blockBytes*int(i)+2, "(SI)"), ymm(8))
			w.op("VINSERTI64X4", 1, mem(2*blockBytes*int(i)+blockBytes+2, "(SI)"), vec(8), vec(8))
			w.op("VPXOR", sign, vec(8), vec(8)) // w+128
			w.op("VPXOR", i, i, i)
			w.op("VPDPBUSD", mem(64*int(i), "(DX)"), vec(8), i)
		})
		w.addFours(0, 8)
		w.op("VSHUFI32X4", 0xb1, vec(0), vec(0), vec(8))
		w.op("VPADDD", vec(8), vec(0), vec(0))
		w.op("VPERMD", vec(0), order, vec(0))
		w.op("VPADDD", mem(actBias, "(DX)"), ymm(0), ymm(0))
		w.op("VCVTDQ2PS", ymm(0), ymm(0))
		for i, v := range []vec{8, 9} {
			w.op("VMOVDQU", mem(4*blockBytes*i, "(SI)"), v)
			w.op("VPERMT2W", mem(4*blockBytes*i+64, "(SI)"), words, v)
		}
		w.op("VPUNPCKLQDQ", xmm(9), xmm(8), xmm(8))
		w.op("VCVTPH2PS", xmm(8), ymm(8))
		w.op("VMULPS", mem(act32D, "(DX)"), ymm(8), ymm(8))
		w.op("VMOVUPS", ymm(8), "(R12)")
		w.op("VMOVUPS", ymm(0), "32(R12)")
	})
}

// row256 writes a kernel for a k type. sums leaves the sums of 4 blocks in the registers 0 to 3, to be added up,
// and scales those of their scales (with mins, and of the minimums, in the upper half) in register 10.
func (w *writer) row256(name string, blockBytes int, mins bool, prepare, sums, scales func()) {
	w.rowFn(name, 4, blockBytes, mins, prepare, func() {
		sums()
		w.addFours(0, 8)
		w.op("VEXTRACTI64X4", 1, vec(0), ymm(1))
		w.op("VPADDD", ymm(1), ymm(0), ymm(0))
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

// rowWeigh adds to x the products of 64 unsigned weights and activations times the words of their scales. The sums of pairs
// stay below 2 * 63 * 127. first sets x instead.
func (w *writer) rowWeigh(first bool, weights, scales vec, activations string, x vec) {
	w.op("VPMADDUBSW", activations, weights, weights)
	if first {
		w.op("VPMADDWD", scales, weights, x)
	} else {
		w.op("VPDPWSSD", scales, weights, x)
	}
}

// The registers of rowMins beyond rowConst.
const (
	spread   = rowConst     // 4 shuffles: words of the scales of 64 values
	minWords = rowConst + 4 // shuffle
	twoParts = rowConst + 5 // shuffle of words 0, 2, 4, 6, then 1, 3, 5, 7
	zShift   = rowConst + 6 // see header
	lowBits  = rowConst + 7
	topBits  = rowConst + 8
	first    = rowConst + 9  // the first dword of every 128-bit part
	upper4   = rowConst + 10 // shifts the upper half by 4
)

// rowMins writes the kernel of q4_k or, with high bits before the nibbles, of q5_k.
func (w *writer) rowMins(name string, blockBytes int, high bool) {
	const upper1, bit = vec(19), vec(18)
	nibbles := blockBytes - 128
	w.row256(name, blockBytes, true, func() {
		for j, b := range []uint32{0, 2, 8, 10} { // where header leaves scale 2*j
			w.twoHalves(spread+vec(j), 8, 0x80008000|b<<16|b, 0x80008000|(b+1)<<16|(b+1))
		}
		w.quarters(minWords, 0x8007800680058004, 0x800f800e800d800c)
		w.quarters(twoParts, 0x0d0c090805040100, 0x0f0e0b0a07060302)
		w.quarters(zShift, 0, 4<<32)
		w.quarters(lowBits, 0x3f3f3f3f3f3f3f3f, 0x0f0f0f0f0f0f0f0f)
		w.quarters(topBits, 0, 0x3030303030303030)
		w.constant(0x0c080400, first)
		w.op("VPMOVZXBD", xmm(first), first)
		w.twoHalves(upper4, 8, 0, 0x00040004)
		if high {
			w.twoHalves(upper1, 8, 0, 0x00010001)
			w.constant(0x10101010, bit)
		}
	}, func() {
		w.rowHeaders(blockBytes)
		for i := range 4 {
			w.op("VSHUFI32X4", i*0x55, vec(11), vec(11), vec(12))
			if high {
				w.op("VBROADCASTI64X4", mem(i*blockBytes+16, "(SI)"), vec(7))
				w.op("VPSRLVW", upper1, vec(7), vec(7))
			}
			for j := range 4 {
				w.op("VBROADCASTI64X4", mem(i*blockBytes+nibbles+32*j, "(SI)"), vec(8))
				w.op("VPSRLVW", upper4, vec(8), vec(8))
				w.op("VPAND", rowNibble, vec(8), vec(8))
				if high { // bit 2*j
					w.addBits(7, 4-2*j, bit, 8)
				}
				w.op("VPSHUFB", spread+vec(j), vec(12), vec(9))
				w.rowWeigh(j == 0, 8, 9, mem(i*actSize+64*j, "(DX)"), vec(i))
			}
		}
	}, func() {
		w.op("VPERMD", vec(10), first, vec(10))
		w.op("VPSHUFB", xmm(twoParts), xmm(10), xmm(10))
		w.op("VCVTPH2PS", xmm(10), ymm(10))
	})
}

// addBits adds to x the bits of from, shifted left so far, that mask selects. It uses register 6.
func (w *writer) addBits(from vec, shift int, mask, x vec) {
	switch {
	case shift > 0:
		w.op("VPSLLW", shift, from, vec(6))
		from = 6
	case shift < 0:
		w.op("VPSRLW", -shift, from, vec(6))
		from = 6
	}
	w.op("VPTERNLOGD", 0xf8, mask, from, x) // x | from & mask
}

// rowHeaders loads 4 headers to register 10, one in each 128-bit part, unpacks them in register 11, and stores the sums
// of the minimums. In dwords, a header is d and dmin, x, y, z: see scalesMins. Register 11 becomes the bytes of scales
// 0-3, minimums 0-3, scales 4-7, minimums 4-7.
func (w *writer) rowHeaders(blockBytes int) {
	w.op("VMOVDQU", "(SI)", xmm(10))
	w.op("VMOVDQU", mem(actSum32, "(DX)"), xmm(9))
	for i := 1; i < 4; i++ {
		w.op("VINSERTI32X4", i, mem(i*blockBytes, "(SI)"), vec(10), vec(10))
		w.op("VINSERTI32X4", i, mem(i*actSize+actSum32, "(DX)"), vec(9), vec(9))
	}
	w.op("VPSHUFD", 0xf9, vec(10), vec(11)) // x, y, z, z
	w.op("VPSRLVD", zShift, vec(11), vec(11))
	w.op("VPAND", lowBits, vec(11), vec(11))
	w.op("VPSHUFD", 0x90, vec(10), vec(8)) // the last two: x, y
	w.op("VPSRLD", 2, vec(8), vec(8))
	w.op("VPTERNLOGD", 0xf8, topBits, vec(8), vec(11))
	w.op("VPSHUFB", minWords, vec(11), vec(8))
	w.op("VPMADDWD", vec(9), vec(8), vec(8))
	for _, order := range []int{0x4e, 0xb1} { // add up each 128-bit part
		w.op("VPSHUFD", order, vec(8), vec(9))
		w.op("VPADDD", vec(9), vec(8), vec(8))
	}
	w.op("VPERMD", vec(8), first, vec(8))
	w.op("VCVTDQ2PS", xmm(8), xmm(8))
	w.op("VMOVUPS", xmm(8), "48(R12)")
}

func (w *writer) rowQ6K() {
	const (
		blockBytes = 210
		order      = rowConst     // 4: words 4*j to 4*j+3, one in each 128-bit part
		upper2     = rowConst + 4 // shifts the upper half by 2
		bits       = rowConst + 5
	)
	w.row256("rowQ6K", blockBytes, false, func() {
		for i := range 4 {
			w.constant(uint32(i)*0x00010001, 8)
			w.op("VINSERTI32X4", i, xmm(8), order, order)
		}
		w.constant(0x00040004, 8)
		each(3, func(j vec) { w.op("VPADDW", vec(8), order+j, order+j+1) })
		w.twoHalves(upper2, 8, 0, 0x00020002)
		w.constant(0x30303030, bits)
	}, func() {
		for i := range 4 {
			weights := func(offset int) string { return mem(i*blockBytes+offset, "(SI)") }
			act := func(offset int) string { return mem(i*actSize+offset, "(DX)") }
			// The weights are taken as w+32, so the sum begins with -32 times that of the activations.
			w.op("VPMOVSXBW", weights(192), ymm(12))
			w.op("VPXOR", vec(9), vec(9), vec(9))
			w.op("VPSUBW", act(actSum16), ymm(9), ymm(9))
			w.op("VPMADDWD", ymm(9), ymm(12), ymm(i))
			w.op("VPSLLD", 5, ymm(i), ymm(i))
			for j := range 4 {
				half := j / 2
				if j%2 == 0 {
					w.op("VBROADCASTI64X4", weights(128+32*half), vec(7))
					w.op("VPSRLVW", upper2, vec(7), vec(7))
					w.op("VPAND", weights(64*half), rowNibble, vec(8))
				} else {
					w.op("VPSRLW", 4, weights(64*half), vec(8))
					w.op("VPAND", rowNibble, vec(8), vec(8))
				}
				w.addBits(7, 4-j%2*4, bits, 8)
				w.op("VPERMW", vec(12), order+vec(j), vec(9))
				w.rowWeigh(false, 8, 9, act(64*j), vec(i))
			}
		}
	}, func() {
		w.op("VPXOR", vec(10), vec(10), vec(10))
		for i := range 4 {
			w.op("VPINSRW", i, mem(i*blockBytes+208, "(SI)"), xmm(10), xmm(10))
		}
		w.op("VCVTPH2PS", xmm(10), xmm(10))
	})
}
