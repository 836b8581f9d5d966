package main

// A tile holds a group, up to 256 values, of 16 weight rows, unpacked to bytes. Lane r of every 16 dwords belongs to row
// r; sets with vectors of 8 lanes take it in two parts. Offsets are in 16 dwords:
const (
	tileW     = 0              // 64: byte b of lane r in vector i is value 4*i+b
	tileScale = 64             // q8_0, q4_0: 8, scale of every 32 values; q4_k, q5_k: 8, of every 32; q6_k: 16, of every 16
	tilePairs = tileScale + 16 // q4_k, q5_k: 4, minimums in pairs of int16; q6_k: 8, scales in pairs of int16
	tileD     = tilePairs + 8  // the k types: the block's scale
	tileDmin  = tileD + 1      // q4_k, q5_k: and that of the minimums
	tileHigh  = tileDmin + 1   // 8, for unpacking: high bits of the values
	tileSize  = tileHigh + 8
)

var unpackParams = []param{{"t", "*tile"}, {"w", "*byte"}, {"stride", "int"}, {"blocks", "int"},
	{"ahead", "*byte"}, {"pace", "int"}}

// The kernels that unpack a tile from the weights at w, rows stride bytes apart: one block of a k type, or up to
// 8 blocks of the others. For every line of cache that a block of all rows takes, they prefetch one from ahead on, pace
// bytes after the one before.
func (w *writer) unpackKernels() {
	w.unpack32("unpackQ8_0", 34, 0x80808080, func() {
		w.chunk32(2)
		for k, v := range chunkOut {
			if w.vnni { // VNNI multiplies q+128, AVX2 q
				w.op("VPXOR", vec(15), v, v)
			}
			w.storeW(v, k)
		}
	})
	w.unpack32("unpackQ4_0", 18, 0x78787878, func() {
		w.chunk16(2)
		w.constant(0x0f0f0f0f, 14)
		for c := range 4 {
			w.nibbles(vec(c), 14, 4, 5)
			for half, v := range []vec{4, 5} {
				if w.vnni { // from q+8 to q+128
					w.op("VPADDB", vec(15), v, v)
				}
				w.storeW(v, 4*half+c)
			}
		}
	})
	w.unpackQ4K()
	w.unpackQ5K()
	w.unpackQ6K()
}

// unpackFn writes an unpacking kernel. body is for one part of the tile, at DX, whose weights begin at SI.
func (w *writer) unpackFn(name string, body func(load func(param, reg string))) {
	load := w.fn(name, unpackParams, "")
	load("t", "DX")
	load("w", "SI")
	load("stride", "R8")
	load("ahead", "R14")
	load("pace", "R15")
	w.rows()
	if w.parts() == 1 {
		body(load)
	} else {
		w.op("MOVQ", w.parts(), "R13")
		w.loop("R13", func() {
			body(load)
			load("w", "SI")
			w.op("LEAQ", "(SI)(R8*8)", "SI")
			load("t", "DX")
			w.op("ADDQ", w.bytes(), "DX")
		})
	}
	w.ret()
}

func (w *writer) tile(i int) string { return mem(64*i, "(DX)") }

// storeW stores v as the values 4*i to 4*i+3.
func (w *writer) storeW(v vec, i int) { w.op("VMOVDQU", v, w.tile(tileW+i)) }

// unpack32 loops over blocks of 32 values that begin with their scale. The constant is in vec(15) for body.
func (w *writer) unpack32(name string, block int, constant uint32, body func()) {
	w.unpackFn(name, func(load func(param, reg string)) {
		load("blocks", "CX")
		w.op("LEAQ", w.tile(tileScale), "BX")
		w.constant(constant, 15)
		w.loop("CX", func() {
			w.prefetching(block, func() {
				w.halves(0, 12)
				w.op("VMOVUPS", vec(12), "(BX)")
				body()
			})
			w.advance(block)
			w.op("ADDQ", 8*64, "DX")
			w.op("ADDQ", 64, "BX")
		})
	})
}

// unpack256 writes a kernel for one block of 256 values.
func (w *writer) unpack256(name string, block int, body func()) {
	w.unpackFn(name, func(func(param, reg string)) { w.prefetching(block, body) })
}

// halves sets v to the binary16 value at the offset in every row. It uses the register after v.
func (w *writer) halves(offset int, v vec) {
	for r := range w.lanes {
		x := xmm(int(v) + r/8)
		if r%8 == 0 {
			w.op("VPXOR", x, x, x)
		}
		w.op("VPINSRW", r%8, row(r, offset), x, x)
	}
	if w.lanes == 16 {
		w.op("VINSERTI128", 1, xmm(v+1), ymm(v), ymm(v))
		w.op("VCVTPH2PS", ymm(v), v)
	} else {
		w.op("VCVTPH2PS", xmm(v), v)
	}
}

// transpose4 transposes 4x4 dwords inside every 16 bytes of the registers v to v+3, by way of t to t+3.
func (w *writer) transpose4(v, t vec) {
	w.op("VPUNPCKLDQ", v+1, v, t)
	w.op("VPUNPCKHDQ", v+1, v, t+1)
	w.op("VPUNPCKLDQ", v+3, v+2, t+2)
	w.op("VPUNPCKHDQ", v+3, v+2, t+3)
	w.op("VPUNPCKLQDQ", t+2, t, v)
	w.op("VPUNPCKHQDQ", t+2, t, v+1)
	w.op("VPUNPCKLQDQ", t+3, t+1, v+2)
	w.op("VPUNPCKHQDQ", t+3, t+1, v+3)
}

// chunk16 sets the registers 0 to 3 to the 4 dwords at the offset in every row. It uses 8 to 11.
func (w *writer) chunk16(offset int) {
	for g := range 4 {
		w.op("VMOVDQU", row(g, offset), xmm(g))
		w.op("VINSERTI128", 1, row(4+g, offset), ymm(g), ymm(g))
		for q := 2; q < w.lanes/4; q++ {
			w.op("VINSERTI32X4", q, row(4*q+g, offset), vec(g), vec(g))
		}
	}
	w.transpose4(0, 8)
}

// chunkOut are the registers where chunk32 leaves its result.
var chunkOut = [8]vec{8, 9, 10, 11, 0, 1, 2, 3}

// chunk32 sets the registers chunkOut to the 8 dwords at the offset in every row. It uses 4 to 7.
func (w *writer) chunk32(offset int) {
	for g := range 4 { // rows 0-7 in registers 0-3, the others (AVX2: the second four) in 4-7
		if w.lanes == 16 {
			w.op("VMOVDQU", row(g, offset), ymm(g))
			w.op("VINSERTI64X4", 1, row(4+g, offset), vec(g), vec(g))
			w.op("VMOVDQU", row(8+g, offset), ymm(4+g))
			w.op("VINSERTI64X4", 1, row(12+g, offset), vec(4+g), vec(4+g))
		} else {
			w.op("VMOVDQU", row(g, offset), vec(g))
			w.op("VMOVDQU", row(4+g, offset), vec(4+g))
		}
	}
	w.transpose4(0, 8)
	w.transpose4(4, 8)
	for c := range vec(4) { // the even 16 bytes are dword c of four rows, the odd ones dword c+4
		if w.lanes == 16 {
			w.op("VSHUFI32X4", 0x88, c+4, c, c+8)
			w.op("VSHUFI32X4", 0xdd, c+4, c, c)
		} else {
			w.op("VPERM2I128", 0x20, c+4, c, c+8)
			w.op("VPERM2I128", 0x31, c+4, c, c)
		}
	}
}

// nibbles splits v into its low and high halves of bytes; mask holds 15 in every byte.
func (w *writer) nibbles(v, mask, low, high vec) {
	w.op("VPAND", mask, v, low)
	w.op("VPSRLW", 4, v, high)
	w.op("VPAND", mask, high, high)
}

// header unpacks d, dmin, scales and minimums of q4_k and q5_k.
func (w *writer) header() {
	w.chunk16(0)             // 0: d and dmin; 1, 2, 3: scalesMins
	w.wordsToFloats(0, 4, 0) // d
	w.op("VPSRLD", 16, vec(0), vec(0))
	w.wordsToFloats(0, 4, 1)
	w.constant(0x3f3f3f3f, 12)
	w.constant(0x30303030, 13)
	w.constant(0x0f0f0f0f, 14)
	w.op("VPAND", vec(12), vec(1), vec(4)) // scales 0-3
	w.op("VPAND", vec(12), vec(2), vec(5)) // minimums 0-3
	for i := range vec(2) {                // 6: scales 4-7, 7: minimums 4-7
		w.op("VPSRLD", 2, vec(1)+i, vec(1)+i)
		w.op("VPAND", vec(13), vec(1)+i, vec(1)+i)
		w.op("VPAND", vec(14), vec(3), vec(6)+i)
		w.op("VPOR", vec(1)+i, vec(6)+i, vec(6)+i)
		w.op("VPSRLD", 4, vec(3), vec(3))
	}
	w.constant(0x000000ff, 12)
	w.constant(0x00ff0000, 13)
	for i, v := range []vec{4, 6, 5, 7} {
		for j := range 4 {
			switch {
			case i < 2: // scales
				w.op("VPSRLD", 8*j, v, vec(0))
				w.op("VPAND", vec(12), vec(0), vec(0))
				w.storeScale(0, 1, 4*i+j)
			case j%2 == 0: // minimums, in pairs
				w.op("VPSRLD", 8*j, v, vec(0))
				w.op("VPSLLD", 8, vec(0), vec(1))
				w.op("VPAND", vec(12), vec(0), vec(0))
				w.op("VPAND", vec(13), vec(1), vec(1))
				w.op("VPOR", vec(0), vec(1), vec(1))
				w.op("VMOVDQU", vec(1), w.tile(tilePairs+2*(i-2)+j/2))
			}
		}
	}
}

// wordsToFloats converts the lower words of v's dwords from binary16 and stores them at tileD+i.
func (w *writer) wordsToFloats(v, t vec, i int) {
	if w.lanes == 16 {
		w.op("VPMOVDW", v, ymm(t))
		w.op("VCVTPH2PS", ymm(t), t)
	} else {
		w.op("VPSLLD", 16, v, t)
		w.op("VPSRLD", 16, t, t)
		w.op("VPACKUSDW", t, t, t)
		w.op("VPERMQ", 0x08, t, t)
		w.op("VCVTPH2PS", xmm(t), t)
	}
	w.op("VMOVUPS", t, w.tile(tileD+i))
}

// storeScale stores the scales v, one int32 a lane; AVX2 multiplies by pairs of equal int16. It uses t.
func (w *writer) storeScale(v, t vec, i int) {
	if !w.vnni {
		w.op("VPSLLD", 16, v, t)
		w.op("VPBLENDW", 0xaa, t, v, v)
	}
	w.op("VMOVDQU", v, w.tile(tileScale+i))
}

func (w *writer) unpackQ4K() {
	w.unpack256("unpackQ4K", 144, func() {
		w.header()
		for j := range 4 {
			w.chunk32(16 + 32*j)
			for k, v := range chunkOut {
				w.nibbles(v, 14, 12, 13)
				w.storeW(12, 16*j+k)
				w.storeW(13, 16*j+8+k)
			}
		}
	})
}

// withHigh adds to v the two bits of the vector in memory that stand shift bits too high or, if negative, too
// low; mask selects them. It uses t.
func (w *writer) withHigh(v vec, high string, shift int, mask, t vec) {
	w.op("VMOVDQU", high, t)
	if shift > 0 {
		w.op("VPSRLW", shift, t, t)
	} else if shift < 0 {
		w.op("VPSLLW", -shift, t, t)
	}
	w.op("VPAND", mask, t, t)
	w.op("VPOR", t, v, v)
}

// storeHigh keeps the chunk at the offset for withHigh.
func (w *writer) storeHigh(offset int) {
	w.chunk32(offset)
	for k, v := range chunkOut {
		w.op("VMOVDQU", v, w.tile(tileHigh+k))
	}
}

func (w *writer) unpackQ5K() {
	w.unpack256("unpackQ5K", 176, func() {
		w.header()
		w.storeHigh(16)
		w.constant(0x10101010, 15)
		for j := range 4 {
			w.chunk32(48 + 32*j)
			for k, v := range chunkOut {
				w.nibbles(v, 14, 12, 13)
				w.withHigh(12, w.tile(tileHigh+k), 2*j-4, 15, 4)
				w.withHigh(13, w.tile(tileHigh+k), 2*j+1-4, 15, 4)
				w.storeW(12, 16*j+k)
				w.storeW(13, 16*j+8+k)
			}
		}
	})
}

func (w *writer) unpackQ6K() {
	w.unpack256("unpackQ6K", 210, func() {
		w.halves(208, 12)
		w.op("VMOVUPS", vec(12), w.tile(tileD))
		w.chunk16(192)
		w.constant(0x0000ffff, 14)
		for c := range 4 {
			for b := range 4 { // 5, 6: two scales sign-extended to int32
				v := vec(5 + b%2)
				w.op("VPSLLD", 24-8*b, vec(c), v)
				w.op("VPSRAD", 24, v, v)
				if b%2 == 0 {
					continue
				}
				w.op("VPSLLD", 16, vec(6), vec(7))
				w.op("VPAND", vec(14), vec(5), vec(4))
				w.op("VPOR", vec(7), vec(4), vec(4))
				w.op("VMOVDQU", vec(4), w.tile(tilePairs+2*c+b/2))
				w.storeScale(5, 7, 4*c+b-1)
				w.storeScale(6, 7, 4*c+b)
			}
		}
		w.constant(0x0f0f0f0f, 14)
		w.constant(0x30303030, 15)
		for half := range 2 {
			w.storeHigh(128 + 32*half)
			for part := range 2 { // values 32*part and 64+32*part of the half
				w.chunk32(64*half + 32*part)
				for k, v := range chunkOut {
					w.nibbles(v, 14, 12, 13)
					w.withHigh(12, w.tile(tileHigh+k), 2*part-4, 15, 4)
					w.withHigh(13, w.tile(tileHigh+k), 2*part, 15, 4)
					w.storeW(12, 32*half+8*part+k)
					w.storeW(13, 32*half+16+8*part+k)
				}
			}
		}
	})
}
