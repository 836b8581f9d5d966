package main

import "fmt"

// The AVX-512 kernels for one activation row.

// Registers of theirs.
const (
	rowNibble = vec(31) // 15 in every byte
	rowConst  = vec(20) // and the next ones: what a type needs
)

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

func (w *writer) wideRowQ8_0() {
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

// wideWeigh adds to x the products of 64 unsigned weights and activations times the words of their scales. The sums of pairs
// stay below 2 * 63 * 127. first sets x instead.
func (w *writer) wideWeigh(first bool, weights, scales vec, activations string, x vec) {
	w.op("VPMADDUBSW", activations, weights, weights)
	if first {
		w.op("VPMADDWD", scales, weights, x)
	} else {
		w.op("VPDPWSSD", scales, weights, x)
	}
}

// The registers of wideRowMins beyond rowConst.
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

// wideRowMins writes the kernel of q4_k or, with high bits before the nibbles, of q5_k.
func (w *writer) wideRowMins(name string, blockBytes int, high bool) {
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
		w.constant(0x0f0f0f0f, rowNibble)
	}, func() {
		w.wideHeaders(blockBytes)
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
					w.wideBits(7, 4-2*j, bit, 8)
				}
				w.op("VPSHUFB", spread+vec(j), vec(12), vec(9))
				w.wideWeigh(j == 0, 8, 9, mem(i*actSize+64*j, "(DX)"), vec(i))
			}
		}
	}, func() {
		w.op("VPERMD", vec(10), first, vec(10))
		w.op("VPSHUFB", xmm(twoParts), xmm(10), xmm(10))
		w.op("VCVTPH2PS", xmm(10), ymm(10))
	})
}

// wideBits adds to x the bits of from, shifted left so far, that mask selects. It uses register 6.
func (w *writer) wideBits(from vec, shift int, mask, x vec) {
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

// wideHeaders loads 4 headers to register 10, one in each 128-bit part, unpacks them in register 11, and stores the sums
// of the minimums. In dwords, a header is d and dmin, x, y, z: see scalesMins. Register 11 becomes the bytes of scales
// 0-3, minimums 0-3, scales 4-7, minimums 4-7.
func (w *writer) wideHeaders(blockBytes int) {
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

func (w *writer) wideRowQ6K() {
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
		w.constant(0x0f0f0f0f, rowNibble)
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
				w.wideBits(7, 4-j%2*4, bits, 8)
				w.op("VPERMW", vec(12), order+vec(j), vec(9))
				w.wideWeigh(false, 8, 9, act(64*j), vec(i))
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
