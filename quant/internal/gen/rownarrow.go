package main

import "fmt"

// The kernels for one activation row with vectors of 8 lanes.

// Registers of theirs.
const (
	rowOnes = vec(14) // 1 in every word
	rowMask = vec(15) // 128, or for the k types 15, in every byte
)

// Constants in memory. Those of q4_k and q5_k are for the header: d and dmin, x, y, z, in dwords; see scalesMins.
const (
	tableShift   = iota // of x, y, z, z
	tableLow            // bits of these that belong to scales 0-3, minimums 0-3, scales 4-7, minimums 4-7
	tableTop            // and the upper bits of the last two, in x and y
	tableMins           // shuffle: the minimums, as words
	tableScales0        // shuffles: scales 0-3, and 4-7, each twice, as words
	tableScales4
	tableBit    // 16 in every byte
	tableBits   // 48
	tablePairs0 // shuffles for q6_k: scales 0-7, and 8-15, each twice, to upper bytes, the odd ones in the upper half
	tablePairs8
)

// rowTable writes them.
func (w *writer) rowTable() {
	twice := func(low, high uint64) []uint64 { return []uint64{low, high, low, high} }
	var table []uint64
	for _, t := range [][]uint64{
		tableShift:   twice(0, 4<<32),
		tableLow:     twice(0x3f3f3f3f3f3f3f3f, 0x0f0f0f0f0f0f0f0f),
		tableTop:     twice(0, 0x3030303030303030),
		tableMins:    twice(0x8007800680058004, 0x800f800e800d800c),
		tableScales0: twice(0x8001800180008000, 0x8003800380028002),
		tableScales4: twice(0x8009800980088008, 0x800b800b800a800a),
		tableBit:     twice(0x1010101010101010, 0x1010101010101010),
		tableBits:    twice(0x3030303030303030, 0x3030303030303030),
		tablePairs0:  {0x0280028000800080, 0x0680068004800480, 0x0380038001800180, 0x0780078005800580},
		tablePairs8:  {0x0a800a8008800880, 0x0e800e800c800c80, 0x0b800b8009800980, 0x0f800f800d800d80},
	} {
		table = append(table, t...)
	}
	fmt.Fprintln(&w.text)
	for i, x := range table {
		fmt.Fprintf(&w.text, "DATA rowTable<>+%d(SB)/8, $%#016x\n", 8*i, x)
	}
	fmt.Fprintf(&w.text, "GLOBL rowTable<>(SB), RODATA|NOPTR, $%d\n", 8*len(table))
}

func rowConstant(i int) string { return fmt.Sprintf("rowTable<>+%d(SB)", 32*i) }

func (w *writer) rowQ8_0() {
	const blockBytes = 34
	w.rowFn("rowQ8_0", 8, blockBytes, false, func() {
		w.constant(0x80808080, rowMask)
		w.wordOnes(rowOnes)
	}, func() {
		each(8, func(i vec) {
			w.op("VMOVDQU", mem(blockBytes*int(i)+2, "(SI)"), vec(8))
			w.op("VMOVDQU", mem(32*int(i), "(DX)"), vec(9))
			if w.vnni {
				w.op("VPXOR", rowMask, vec(8), vec(8)) // w+128
				w.op("VPXOR", i, i, i)
				w.op("VPDPBUSD", vec(9), vec(8), i)
			} else { // as dotSigned32
				w.op("VPSIGNB", vec(8), vec(9), vec(9))
				w.op("VPABSB", vec(8), vec(8))
				w.op("VPMADDUBSW", vec(9), vec(8), vec(8))
				w.op("VPMADDWD", rowOnes, vec(8), i)
			}
		})
		w.addFours(0, 8)
		w.addFours(4, 8)
		w.op("VPERM2I128", 0x20, vec(4), vec(0), vec(8))
		w.op("VPERM2I128", 0x31, vec(4), vec(0), vec(0))
		w.op("VPADDD", vec(8), vec(0), vec(0))
		if w.vnni {
			w.op("VPADDD", mem(actBias, "(DX)"), vec(0), vec(0))
		}
		w.op("VCVTDQ2PS", vec(0), vec(0))
		w.op("VPXOR", xmm(8), xmm(8), xmm(8))
		for i := range 8 {
			w.op("VPINSRW", i, mem(i*blockBytes, "(SI)"), xmm(8), xmm(8))
		}
		w.op("VCVTPH2PS", xmm(8), vec(8))
		w.op("VMULPS", mem(act32D, "(DX)"), vec(8), vec(8))
		w.op("VMOVUPS", vec(8), "(R12)")
		w.op("VMOVUPS", vec(0), "32(R12)")
	})
}

// narrowRow256 is row256 for vectors of 8 lanes, with what sums finds of block i: the operands of its weights and
// activations at an offset.
func (w *writer) narrowRow256(name string, blockBytes int, mins bool, sums func(i vec, weights, act func(offset int) string), rest, scales func()) {
	w.row256(name, blockBytes, mins, func() { w.constant(0x0f0f0f0f, rowMask) }, func() {
		each(4, func(i vec) {
			sums(i, func(offset int) string { return mem(int(i)*blockBytes+offset, "(SI)") },
				func(offset int) string { return mem(int(i)*actSize+offset, "(DX)") })
		})
		rest()
	}, scales)
}

// rowMins writes the kernel of q4_k or, with high bits before the nibbles, of q5_k.
func (w *writer) rowMins(name string, blockBytes int, high bool) {
	nibbles := blockBytes - 128
	w.narrowRow256(name, blockBytes, true, func(i vec, weights, act func(offset int) string) {
		w.op("VBROADCASTI128", weights(0), vec(8))
		w.op("VPSHUFD", 0xf9, vec(8), vec(9)) // x, y, z, z
		w.op("VPSRLVD", rowConstant(tableShift), vec(9), vec(9))
		w.op("VPAND", rowConstant(tableLow), vec(9), vec(9))
		w.op("VPSHUFD", 0x90, vec(8), vec(8)) // the last two: x, y
		w.op("VPSRLD", 2, vec(8), vec(8))
		w.op("VPAND", rowConstant(tableTop), vec(8), vec(8))
		w.op("VPOR", vec(8), vec(9), vec(8))
		w.op("VPSHUFB", rowConstant(tableMins), xmm(8), xmm(4+i))
		w.op("VPMADDWD", act(actSum32), xmm(4+i), xmm(4+i))
		w.op("VPSHUFB", rowConstant(tableScales0), vec(8), vec(9))
		w.op("VPSHUFB", rowConstant(tableScales4), vec(8), vec(10))
		if high {
			w.op("VMOVDQU", weights(16), vec(11))
		}
		for v := range 8 { // 32 values
			if v%2 == 0 {
				w.op("VMOVDQU", weights(nibbles+16*v), vec(12))
			} else {
				w.op("VPSRLW", 4, vec(12), vec(12))
			}
			w.op("VPAND", rowMask, vec(12), vec(13))
			if high { // bit v
				w.rowBits(11, 4-v, tableBit, 14, 13)
			}
			w.op("VPSHUFD", v%4*0x55, vec(9+v/4), vec(14))
			w.rowWeigh(v == 0, 13, 14, act(32*v), i)
		}
	}, func() {
		w.addFours(4, 8)
		w.op("VCVTDQ2PS", xmm(4), xmm(4))
		w.op("VMOVUPS", xmm(4), "48(R12)")
	}, func() {
		w.op("VMOVD", "(SI)", xmm(10))
		for i := 1; i < 4; i++ {
			w.op("VPINSRD", i, mem(i*blockBytes, "(SI)"), xmm(10), xmm(10))
		}
		for _, shuffle := range []string{"VPSHUFLW", "VPSHUFHW", "VPSHUFD"} { // d before dmin
			w.op(shuffle, 0xd8, xmm(10), xmm(10))
		}
		w.op("VCVTPH2PS", xmm(10), vec(10))
	})
}

func (w *writer) rowQ6K() {
	const blockBytes = 210
	w.narrowRow256("rowQ6K", blockBytes, false, func(i vec, weights, act func(offset int) string) {
		// The weights are taken as w+32, so the sum begins with -32 times that of the activations.
		w.op("VPMOVSXBW", weights(192), vec(8))
		w.op("VPMADDWD", act(actSum16), vec(8), vec(8))
		w.op("VPSLLD", 5, vec(8), vec(8))
		w.op("VPXOR", i, i, i)
		w.op("VPSUBD", vec(8), i, i)
		w.op("VBROADCASTI128", weights(192), vec(8))
		each(2, func(half vec) {
			w.op("VPSHUFB", rowConstant(tablePairs0+int(half)), vec(8), 9+half)
			w.op("VPSRAW", 8, 9+half, 9+half)
		})
		for v := range 8 { // 32 values
			half, part := v/4, v%4
			if part == 0 {
				w.op("VMOVDQU", weights(128+32*half), vec(11))
			}
			w.op("VMOVDQU", weights(64*half+part%2*32), vec(13))
			if part >= 2 {
				w.op("VPSRLW", 4, vec(13), vec(13))
			}
			w.op("VPAND", rowMask, vec(13), vec(13))
			w.rowBits(11, 4-2*part, tableBits, 14, 13)
			w.op("VPSHUFD", part*0x55, vec(9+half), vec(14))
			w.rowWeigh(false, 13, 14, act(32*v), i)
		}
	}, func() {}, func() {
		w.op("VPXOR", vec(10), vec(10), vec(10))
		for i := range 4 {
			w.op("VPINSRW", i, mem(i*blockBytes+208, "(SI)"), xmm(10), xmm(10))
		}
		w.op("VCVTPH2PS", xmm(10), xmm(10))
	})
}

// rowWeigh adds to x the products of 32 unsigned weights and activations times the words of their scales. The sums of
// pairs stay below 2 * 63 * 127. first sets x instead.
func (w *writer) rowWeigh(first bool, weights, scales vec, activations string, x vec) {
	w.op("VPMADDUBSW", activations, weights, weights)
	switch {
	case first:
		w.op("VPMADDWD", scales, weights, x)
	case w.vnni:
		w.op("VPDPWSSD", scales, weights, x)
	default:
		w.op("VPMADDWD", scales, weights, weights)
		w.op("VPADDD", weights, x, x)
	}
}

// rowBits adds to x the bits of from, shifted left so far, that the constant selects. It uses t.
func (w *writer) rowBits(from vec, shift, mask int, t, x vec) {
	switch {
	case shift > 0:
		w.op("VPSLLW", shift, from, t)
		from = t
	case shift < 0:
		w.op("VPSRLW", -shift, from, t)
		from = t
	}
	w.op("VPAND", rowConstant(mask), from, t)
	w.op("VPOR", t, x, x)
}
