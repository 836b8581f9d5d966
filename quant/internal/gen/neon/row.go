package neon

// Groups of activations of one row, in bytes: see act32 and act256.
const (
	actBias  = 256
	actSum16 = 256
	actSize  = 320
)

var rowParams = []param{{"y", "*float32"}, {"w", "*byte"}, {"stride", "int"}, {"a", "unsafe.Pointer"}, {"blocks", "int"}, {"tiles", "int"}, {"add", "bool"}}

// Registers of the kernels for one activation row.
const (
	rowW    = r(1) // and the next three: the rows
	rowA    = r(5) // the group of activations
	rowQ    = r(6) // form32: the values of the block
	rowD    = r(7) // and their scale
	rowLeft = r(8) // blocks

	rowSum   = v(4)  // 4: integer sums
	rowScale = v(8)  // 4 x 2: scales of a block
	rowMin   = v(16) // 4: sums of minimums, or of scales in q6_k
	rowHigh  = v(20) // mask
	rowChain = v(22)
	rowMask  = v(23) // of nibbles
)

// The kernels for one activation row multiply it by tiles of four weight rows, stride bytes apart, straight from
// the packed blocks; y += with add. Integer sums of a row stand in four lanes, which are added up at the end of a
// block.
func (w *writer) rowKernels() {
	w.row32("rowQ8_0", func() {
		for i := range v(4) {
			w.op("FLDPQ.P", at(32, rowW+r(i)), pair(8, 9))
			w.zero(rowSum + i)
			w.op("SDOT", v(0), v(8), rowSum+i)
			w.op("SDOT", v(1), v(9), rowSum+i)
		}
	})
	w.row32("rowQ4_0", func() {
		const offset = v(10)
		w.op("FMOVS", at(actBias-act32D, rowD), offset) // -128 * the sum of the activations
		w.op("SSHR.S", 4, offset, offset)
		for i := range v(4) {
			w.op("FMOVQ.P", at(16, rowW+r(i)), v(8))
			w.split(8, 9)
			w.b16("VMOV", offset, rowSum+i)
			w.op("SDOT", v(0), v(9), rowSum+i)
			w.op("SDOT", v(1), v(8), rowSum+i)
		}
	})
	w.rowMins("rowQ4K", 144, 16, func(int, r) {})
	w.rowMins("rowQ5K", 176, 48, func(j int, row r) {
		w.op("FLDPQ", at(16, row), pair(30, 31))
		for h := range v(2) {
			w.insertBits(30+h, 4-2*j, rowHigh, 28, 26+h)
			w.insertBits(30+h, 3-2*j, rowHigh, 28, 24+h)
		}
	})
	w.rowQ6K()
}

// split splits the bytes of x: the low halves go to low, the high ones stay.
func (w *writer) split(x, low v) {
	w.b16("VAND", rowMask, x, low)
	w.b16("VUSHR", 4, x, x)
}

// rowFn writes a kernel; body continues the chain of a tile by whole rows and leaves the rows at their ends.
func (w *writer) rowFn(name string, body func()) {
	const y, stride, tiles, add = r(0), r(9), r(10), r(11)
	load := w.fn(name, rowParams, "")
	load("y", y)
	load("w", rowW)
	load("stride", stride)
	load("tiles", tiles)
	load("add", add)
	w.bytes(15, rowMask)
	w.loop(tiles, func() {
		skip := w.label()
		for i := range r(3) {
			w.op("ADD", stride, rowW+i, rowW+i+1)
		}
		load("a", rowA)
		load("blocks", rowLeft)
		w.zero(rowChain)
		body()
		w.op("MOVD", rowW+3, rowW)
		w.op("CBZ", add, skip)
		w.op("FMOVQ", at(0, y), v(0))
		w.op("FADD", v(0), rowChain, rowChain)
		w.place(skip)
		w.op("FMOVQ.P", rowChain, at(16, y))
	})
	w.ret()
}

// addUp sets the lanes of x to the sums of the lanes of x, x+1, x+2, x+3.
func (w *writer) addUp(x v) {
	w.s4("VADDP", x+1, x, x)
	w.s4("VADDP", x+3, x+2, x+2)
	w.s4("VADDP", x+2, x, x)
}

// row32 writes a kernel for blocks of 32 values that begin with their scale. The body sets the sums of the rows,
// which it finds behind the scale and moves on, with the activations in the registers 0 and 1.
func (w *writer) row32(name string, body func()) {
	const count, scale, temp = r(12), v(20), v(21)
	w.rowFn(name, func() {
		again := w.label()
		w.place(again)
		w.op("MOVD", rowA, rowQ)
		w.op("ADD", act32D, rowA, rowD)
		w.op("MOVD", 8, count)
		w.op("CMP", count, rowLeft)
		w.op("CSEL", "LT", rowLeft, count, count)
		w.op("SUB", count, rowLeft)
		w.loop(count, func() {
			w.halves(scale)
			w.op("FLDPQ.P", at(32, rowQ), pair(0, 1))
			body()
			w.addUp(rowSum)
			w.op("FMOVS.P", at(4, rowD), v(0))
			w.op("FMUL", lane{0, 0}, scale, temp)
			w.op("SCVTF", rowSum, rowSum)
			w.s4("VFMLA", rowSum, temp, rowChain)
		})
		w.op("ADD", actSize, rowA)
		w.op("CBNZ", rowLeft, again)
	})
}

// row256 writes a kernel for a k type. The body sets the four sums of the rows and, in rowMin, the sums that go
// with them.
func (w *writer) row256(name string, body, finish func()) {
	w.rowFn(name, func() {
		w.loop(rowLeft, func() {
			for i := range v(4) {
				w.zero(rowSum + i)
			}
			body()
			w.addUp(rowSum)
			w.addUp(rowMin)
			w.op("FMOVS", at(act256D, rowA), v(0))
			finish()
			w.op("ADD", actSize, rowA)
		})
	})
}

// scaledDot adds to the sum of row i the product of weights and activations times a scale of the row. It uses temp.
func (w *writer) scaledDot(i v, scale int, temp v, weights, activations []v) {
	w.zero(temp)
	for k := range weights {
		w.op("SDOT", activations[k], weights[k], temp)
	}
	w.op("MLA", lane{rowScale + 2*i + v(scale/4), scale % 4}, temp, rowSum+i)
}

// rowMins writes the kernel of q4_k or q5_k, with blocks of so many bytes, the nibbles at an offset. Of a chunk j of
// 64 values, high puts the bits above the nibbles to the registers 26, 27 (its first half), 24, 25; it may use
// 28 to 31.
func (w *writer) rowMins(name string, blockBytes, nibbles int, high func(j int, row r)) {
	w.row256(name, func() {
		w.rowHeaders()
		w.bytes(0x10, rowHigh)
		for j := range 4 {
			w.op("FLDPQ", at(64*j, rowA), pair(0, 1))
			w.op("FLDPQ", at(64*j+32, rowA), pair(2, 3))
			for i := range v(4) {
				row := rowW + r(i)
				w.op("FLDPQ", at(nibbles+32*j, row), pair(24, 25))
				w.split(24, 26)
				w.split(25, 27)
				high(j, row)
				w.scaledDot(i, 2*j, 28, []v{26, 27}, []v{0, 1})
				w.scaledDot(i, 2*j+1, 29, []v{24, 25}, []v{2, 3})
			}
		}
	}, func() {
		const d, dmin, temp = v(24), v(25), v(26)
		for i := range r(4) {
			w.op("VLD1", at(0, rowW+i), dword(27, int(i)))
			w.op("ADD", blockBytes, rowW+i)
		}
		w.op("FCVTL", v(27), v(28)) // d, dmin of rows 0 and 1
		w.op("FCVTL2", v(27), v(29))
		w.s4("VUZP1", v(29), v(28), d)
		w.s4("VUZP2", v(29), v(28), dmin)
		w.op("FMUL", lane{0, 0}, d, temp)
		w.op("SCVTF", rowSum, rowSum)
		w.s4("VFMLA", rowSum, temp, rowChain)
		w.op("FMUL", lane{0, 0}, dmin, temp)
		w.op("SCVTF", rowMin, rowMin)
		w.s4("VFMLS", rowMin, temp, rowChain)
	})
}

// rowHeaders unpacks the scales of the rows, and multiplies their minimums by the sums of the activations: see
// scalesMins, of which R12 takes the first 8 bytes and R13 the others.
func (w *writer) rowHeaders() {
	const sums, packed, low, high = v(24), v(25), v(26), v(27)
	w.op("FMOVQ", at(actSum32, rowA), sums)
	for i := range v(4) {
		row := rowW + r(i)
		w.op("MOVD", at(4, row), r(12))
		w.op("MOVWU", at(12, row), r(13))
		w.op("LSR", 2, r(12), r(14))
		w.op("ORR", "R13<<28", r(13))
		w.op("AND", "$0x3f3f3f3f3f3f3f3f", r(12)) // scales 0-3, minimums 0-3
		w.op("AND", "$0x3030303030303030", r(14))
		w.op("AND", "$0x0f0f0f0f0f0f0f0f", r(13))
		w.op("ORR", r(14), r(13)) // scales 4-7, minimums 4-7
		w.op("VMOV", r(12), qword(packed, 0))
		w.op("VMOV", r(13), qword(packed, 1))
		w.widen("VUXTL", packed, "B8", low, "H8")
		w.widen("VUXTL2", packed, "B16", high, "H8")
		w.widen("VUXTL", low, "H4", rowScale+2*i, "S4")
		w.widen("VUXTL", high, "H4", rowScale+2*i+1, "S4")
		w.d2("VZIP2", high, low, low)
		w.op("SMULL", sums, low, rowMin+i)
		w.op("SMLAL2", sums, low, rowMin+i)
	}
}

func (w *writer) rowQ6K() {
	w.row256("rowQ6K", func() {
		w.bytes(0x30, rowHigh)
		for half := range 2 {
			w.op("FMOVQ", at(actSum16+16*half, rowA), v(24))
			for i := range v(4) {
				w.op("FMOVD", at(192+8*half, rowW+r(i)), v(25))
				w.op("SXTL.B", v(25), v(25))
				w.op("SXTL.H", v(25), rowScale+2*i)
				w.op("SXTL2.H", v(25), rowScale+2*i+1)
				w.op([]string{"SMULL", "SMLAL"}[half], v(24), v(25), rowMin+i)
				w.op("SMLAL2", v(24), v(25), rowMin+i)
			}
			for h := range 2 {
				for k := range v(4) {
					w.op("FMOVQ", at(128*half+32*int(k)+16*h, rowA), k)
				}
				for i := range v(4) {
					row := rowW + r(i)
					w.op("FMOVQ", at(64*half+16*h, row), v(24))
					w.op("FMOVQ", at(64*half+32+16*h, row), v(25))
					w.op("FMOVQ", at(128+32*half+16*h, row), v(26))
					for k := range 2 { // values 32*k and 64+32*k of the half
						x := v(24 + k)
						w.split(x, 27)
						w.insertBits(26, 4-2*k, rowHigh, 28, 27)
						w.insertBits(26, -2*k, rowHigh, 28, x)
						w.scaledDot(i, 2*k+h, 28, []v{27}, []v{v(k)})
						w.scaledDot(i, 4+2*k+h, 29, []v{x}, []v{v(2 + k)})
					}
				}
			}
		}
	}, func() {
		const d, temp = v(24), v(26)
		for i := range r(4) {
			w.op("ADD", 208, rowW+i)
		}
		w.halves(d)
		w.s4("VSHL", 5, rowMin, rowMin) // the weights are taken as w+32
		w.s4("VSUB", rowMin, rowSum, rowSum)
		w.op("FMUL", lane{0, 0}, d, temp)
		w.op("SCVTF", rowSum, rowSum)
		w.s4("VFMLA", rowSum, temp, rowChain)
	})
}
