package neon

var unpackParams = []param{{"t", "*tile"}, {"w", "*byte"}, {"stride", "int"}, {"blocks", "int"}}

// Registers of the unpacking kernels. Addresses are those of the quad at hand.
const (
	unpackRow   = r(1) // and the next three: the rows
	unpackNext  = r(5) // the row after the quad
	unpackW     = r(6)
	unpackHead  = r(7) // tileD, tileDmin
	unpackMin   = r(8)
	unpackScale = r(9)
	nibbleMask  = v(28)
	unpackTemp  = v(29)
	highMask    = v(30)
	unpackBias  = v(31)
)

// The kernels that unpack a tile from the 8 rows at w, stride bytes apart: one block of a k type, or up to 8
// blocks of the others.
func (w *writer) unpackKernels() {
	w.unpack32("unpackQ8_0", func() {
		for i := range v(4) { // a row's registers are four apart
			w.op("FLDPQ.P", at(32, unpackRow+r(i)), pair(i, 4+i))
		}
		w.storeStep(w.arrange(0, 8), 0, 12)
		w.storeStep(w.arrange(4, 8), 1, 12)
	})
	w.unpack32("unpackQ4_0", func() {
		for i := range v(4) {
			w.op("FMOVQ.P", at(16, unpackRow+r(i)), i)
		}
		x := w.arrange(0, 4)
		w.nibbles(x, 8)
		for i := range v(4) {
			w.b16("VSUB", unpackBias, 8+i, 8+i)
			w.b16("VSUB", unpackBias, x+i, x+i)
		}
		w.storeStep(8, 0, 12)
		w.storeStep(x, 1, 12)
	})
	w.unpackQuads("unpackQ4K", func() {
		w.header()
		for j := range 4 {
			for h := range 2 {
				w.loadRows(16+32*j+16*h, 0)
				x := w.arrange(0, 4)
				w.nibbles(x, 8)
				w.storeStep(8, h, unpackW)
				w.storeStep(x, 2+h, unpackW)
			}
			w.op("ADD", 4*stepSize, unpackW)
		}
	})
	w.unpackQuads("unpackQ5K", func() {
		w.header()
		w.bytes(0x10, highMask)
		w.loadRows(16, 16)
		w.loadRows(32, 20)
		high := [2]v{w.arrange(16, 24), w.arrange(20, 12)}
		for j := range 4 {
			for h := range 2 {
				w.loadRows(48+32*j+16*h, 0)
				x := w.arrange(0, 4)
				w.nibbles(x, 8)
				for i := range v(4) {
					w.insertBits(high[h]+i, 4-2*j, highMask, unpackTemp, 8+i)
					w.insertBits(high[h]+i, 3-2*j, highMask, unpackTemp, x+i)
				}
				w.storeStep(8, h, unpackW)
				w.storeStep(x, 2+h, unpackW)
			}
			w.op("ADD", 4*stepSize, unpackW)
		}
	})
	w.unpackQuads("unpackQ6K", w.unpackQ6K)
}

// unpackQuads writes a kernel whose body unpacks a quad.
func (w *writer) unpackQuads(name string, body func()) {
	load := w.fn(name, unpackParams, "")
	load("t", unpackW)
	load("w", unpackRow)
	load("stride", r(10))
	w.op("ADD", tileD, unpackW, unpackHead)
	w.op("ADD", tileMin, unpackW, unpackMin)
	w.op("ADD", tileScale, unpackW, unpackScale)
	w.op("MOVD", 2, r(11))
	w.loop(11, func() {
		for i := range r(4) {
			w.op("ADD", r(10), unpackRow+i, unpackRow+i+1)
		}
		load("blocks", r(13))
		w.bytes(15, nibbleMask)
		w.op("MOVD", unpackW, r(14))
		body()
		w.op("MOVD", unpackNext, unpackRow)
		w.op("ADD", quadSize, r(14), unpackW)
		w.op("ADD", 64, unpackMin)
		w.op("ADD", w.numbers(), unpackHead)
		w.op("ADD", w.numbers(), unpackScale)
	})
	w.ret()
}

// unpack32 writes a kernel for blocks of 32 values that begin with their scale. The body finds the rows behind
// it, moves them on, and stores two steps at R12.
func (w *writer) unpack32(name string, body func()) {
	w.unpackQuads(name, func() {
		w.bytes(8, unpackBias)
		w.op("MOVD", unpackW, r(12))
		w.op("MOVD", unpackScale, r(15))
		w.loop(13, func() {
			w.halves(16)
			w.storeNumbers(16, 17, 0, 15)
			body()
			w.op("ADD", 2*stepSize, r(12))
			w.op("ADD", 2*w.numbers(), r(15))
		})
	})
}

// halves sets the lanes of x to the binary16 values at the rows, and moves the rows on.
func (w *writer) halves(x v) {
	for i := range r(4) {
		w.op("VLD1.P", at(2, unpackRow+i), half(x, int(i)))
	}
	w.op("FCVTL", x, x)
}

// loadRows loads 16 bytes of every row to the registers from x on.
func (w *writer) loadRows(offset int, x v) {
	for i := range r(4) {
		w.op("FMOVQ", at(offset, unpackRow+i), x+v(i))
	}
}

// nibbles splits the bytes of the registers x to x+3: the low halves go to the registers from low on.
func (w *writer) nibbles(x, low v) {
	for i := range v(4) {
		w.b16("VAND", nibbleMask, x+i, low+i)
		w.b16("VUSHR", 4, x+i, x+i)
	}
}

// insertBits sets the bits of mask in x to those of high shifted left or, if negative, right.
func (w *writer) insertBits(high v, shift int, mask, temp, x v) {
	switch {
	case shift > 0:
		w.b16("VSHL", shift, high, temp)
		high = temp
	case shift < 0:
		w.b16("VUSHR", -shift, high, temp)
		high = temp
	}
	w.b16("VBIT", mask, high, x)
}

// header unpacks what blocks of q4_k and q5_k begin with: see scalesMins.
func (w *writer) header() {
	w.loadRows(0, 0)
	w.transpose(0, 4) // 0: d and dmin of the rows; 1, 2, 3: the dwords of scalesMins
	w.h8("VUZP1", v(0), v(0), v(4))
	w.h8("VUZP2", v(0), v(0), v(5))
	w.op("FCVTL", v(4), v(4))
	w.op("FCVTL", v(5), v(5))
	w.storeNumbers(4, 16, 0, unpackHead)
	w.storeNumbers(5, 16, tileDmin-tileD, unpackHead)

	const low, top = v(29), v(30)
	w.bytes(0x3f, low)
	w.bytes(0x30, top)
	scales, mins := [2]v{4, 5}, [2]v{6, 7}
	w.b16("VAND", low, v(1), scales[0])
	w.b16("VAND", low, v(2), mins[0])
	w.b16("VUSHR", 2, v(1), v(1))
	w.b16("VUSHR", 2, v(2), v(2))
	w.b16("VAND", nibbleMask, v(3), scales[1])
	w.b16("VUSHR", 4, v(3), mins[1])
	w.b16("VBIT", top, v(1), scales[1])
	w.b16("VBIT", top, v(2), mins[1])
	w.storeMins(mins)

	for k, x := range scales {
		w.dwords(x, 16)
		for b := range 4 {
			w.storeNumbers(16+v(b), 20, (4*k+b)*2*w.numbers(), unpackScale)
		}
	}
}

// dwords sets the registers from dst on to the four bytes of every lane of x.
func (w *writer) dwords(x, dst v) {
	w.s4("VSHL", 24, x, dst)
	w.s4("VSHL", 16, x, dst+1)
	w.s4("VSHL", 8, x, dst+2)
	for i := range v(3) {
		w.s4("VUSHR", 24, dst+i, dst+i)
	}
	w.s4("VUSHR", 24, x, dst+3)
}

// storeMins stores the 8 minimums of the rows of a quad, bytes in the lanes of two registers: for SMMLA as
// bytes, those of rows 0 and 1, then those of rows 2 and 3; else as int16, two a vector.
func (w *writer) storeMins(mins [2]v) {
	if w.mm {
		w.s4("VZIP1", mins[1], mins[0], v(16))
		w.s4("VZIP2", mins[1], mins[0], v(17))
		w.op("FSTPQ", pair(16, 17), at(0, unpackMin))
		return
	}
	for k, x := range mins {
		w.h8("VSHL", 8, x, v(16))
		w.h8("VUSHR", 8, v(16), v(16)) // minimums 0 and 2
		w.h8("VUSHR", 8, x, v(17))     // 1 and 3
		w.h8("VUZP1", v(17), v(16), v(18))
		w.h8("VUZP2", v(17), v(16), v(19))
		w.op("FSTPQ", pair(18, 19), at(32*k, unpackMin))
	}
}

func (w *writer) unpackQ6K() {
	w.loadRows(192, 0)
	w.transpose(0, 4)
	for c := range v(4) {
		for b := range 4 {
			w.s4("VSHL", 24-8*b, c, v(4))
			w.op("SSHR.S", 24, v(4), v(4))
			w.storeNumbers(4, 5, (4*int(c)+b)*2*w.numbers(), unpackScale)
		}
	}
	w.bytes(0x30, highMask)
	w.bytes(32, unpackBias)
	for half := range 2 {
		for h := range 2 {
			w.loadRows(64*half+16*h, 0)
			w.loadRows(64*half+32+16*h, 16)
			w.loadRows(128+32*half+16*h, 20)
			low := [2]v{w.arrange(0, 4), w.arrange(16, 24)}
			high := w.arrange(20, 12)
			for k, x := range low { // values 32*k and 64+32*k of the half
				w.nibbles(x, 8)
				for i := range v(4) {
					w.insertBits(high+i, 4-2*k, highMask, unpackTemp, 8+i)
					w.insertBits(high+i, -2*k, highMask, unpackTemp, x+i)
					w.b16("VSUB", unpackBias, 8+i, 8+i)
					w.b16("VSUB", unpackBias, x+i, x+i)
				}
				w.storeStep(8, 2*k+h, unpackW)
				w.storeStep(x, 4+2*k+h, unpackW)
			}
		}
		w.op("ADD", 8*stepSize, unpackW)
	}
	for i := range r(4) {
		w.op("ADD", 208, unpackRow+i)
	}
	w.halves(16)
	w.storeNumbers(16, 17, 0, unpackHead)
}
