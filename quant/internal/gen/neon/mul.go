package neon

// Groups of activations, in bytes: act32 and act256 for SDOT, pair32 and pair256 for SMMLA.
const (
	actSum32 = 288
	act32D   = 288
	act256D  = 304

	pairHigh = 512 // pair256: sums of 32, their high parts
	pairLow  = 528 // and low 7 bits
	pair256D = 544
	pair32D  = 512
)

var mulParams = []param{{"acc", "*float32"}, {"t", "*tile"}, {"a", "unsafe.Pointer"}, {"stride", "int"}, {"n", "int"}, {"blocks", "int"}}

// The kernels that multiply a tile by a group of n columns, stride bytes apart, and continue their chains in acc.
// A column is an activation row, or a pair of them for SMMLA; its part of acc is one vector for each of the tile's
// parts. The tile has 8 blocks for the k types.
func (w *writer) mulKernels() {
	w.mul32()
	w.mul256("mulQ45K", 32, true)
	w.mul256("mulQ6K", 16, false)
}

// Registers of the kernels.
const (
	mulAcc   = r(0)
	mulTile  = r(1)
	mulA     = r(2)
	mulQ     = r(5)  // and the next: the columns' values
	mulBase  = r(12) // and the next: the columns
	mulW     = r(9)
	mulScale = r(10)

	mulSum   = v(16) // 8: integer sums
	mulTotal = v(24) // 8: their sums over the sub-blocks of a k type, or chains
)

// parts is the number of vectors of a tile's results for a column: quads, or pairs of rows.
func (w *writer) parts() int { return w.numbers() / 8 }

// columns returns how many columns are taken at once, by preference: their sums fill 8 registers.
func (w *writer) columns() []int {
	if w.mm {
		return []int{2, 1}
	}
	return []int{4, 2, 1}
}

// block is the columns taken at once: n of them.
type block struct {
	*writer
	n int
}

// each calls f for every part of every column.
func (b block) each(f func(part, column, i v)) {
	for p := range v(b.parts()) {
		for c := range v(b.n) {
			f(p, c, p*v(b.n)+c)
		}
	}
}

// mulFn writes a kernel: body is written for every number of columns that are taken at once.
func (w *writer) mulFn(name string, body func(b block, load func(string, any))) {
	load := w.fn(name, mulParams, "")
	load("acc", mulAcc)
	load("t", mulTile)
	load("a", mulA)
	load("stride", r(3))
	load("n", r(4))
	for _, n := range w.columns() {
		again, next := w.label(), w.label()
		w.place(again)
		w.op("CMP", n, r(4))
		w.op("BLT", next)
		for c := range r(n) {
			w.op("MOVD", mulA, mulQ+c)
			w.op("MOVD", mulA, mulBase+c)
			w.op("ADD", r(3), mulA)
		}
		w.op("MOVD", mulTile, mulW)
		w.op("ADD", tileScale, mulTile, mulScale)
		body(block{w, n}, load)
		w.op("ADD", n*16*w.parts(), mulAcc)
		w.op("SUB", n, r(4))
		w.op("B", again)
		w.place(next)
	}
	w.ret()
}

// dots adds the products of so many steps to the sums.
func (b block) dots(steps int) {
	const weights = v(4)
	for s := range steps {
		for c := range v(b.n) {
			if b.mm {
				b.op("FLDPQ.P", at(32, mulQ+r(c)), pair(2*c, 2*c+1))
			} else {
				b.op("FMOVQ.P", at(16, mulQ+r(c)), c)
			}
		}
		for k := range 2 {
			b.op("FLDPQ", at(s*stepSize+32*k, mulW), pair(weights, weights+1))
			b.op("FLDPQ", at(s*stepSize+quadSize+32*k, mulW), pair(weights+2, weights+3))
			if b.mm {
				b.each(func(p, c, i v) { b.op("SMMLA", 2*c+v(k), weights+p, mulSum+i) })
				continue
			}
			for j := range v(2) {
				b.each(func(p, c, i v) { b.op("SDOT", lane{c, 2*k + int(j)}, weights+2*p+j, mulSum+i) })
			}
		}
	}
	b.op("ADD", steps*stepSize, mulW)
}

// loadNumbers loads the numbers of both quads to x and the next registers.
func (w *writer) loadNumbers(offset int, address r, x v) {
	for i := range w.parts() / 2 {
		w.op("FLDPQ", at(offset+32*i, address), pair(x+2*v(i), x+2*v(i)+1))
	}
}

// scaled sets dst to the products of the scales of a part and a column.
func (b block) scaled(column, part, dst v) {
	if b.mm {
		b.op("FMUL", column, part, dst)
	} else {
		b.op("FMUL", lane{column, 0}, part, dst)
	}
}

// chains loads or stores the vectors of acc, which are in the order of columns.
func (b block) chains(store bool) {
	for c := range v(b.n) {
		for p := v(0); p < v(b.parts()); p += 2 {
			memory := at(16*(int(c)*b.parts()+int(p)), mulAcc)
			registers := pair(mulTotal+p*v(b.n)+c, mulTotal+(p+1)*v(b.n)+c)
			if store {
				b.op("FSTPQ", registers, memory)
			} else {
				b.op("FLDPQ", memory, registers)
			}
		}
	}
}

// mul32 multiplies q8_0 and q4_0 tiles, one block of 32 after the other.
func (w *writer) mul32() {
	w.mulFn("mul32", func(b block, load func(string, any)) {
		const columnD, scale, temp = v(0), v(8), v(12) // columnD to columnD+3 are free after the dots
		load("blocks", r(11))
		for c := range r(b.n) { // along the scales
			if b.mm {
				b.op("ADD", pair32D, mulBase+c)
			} else {
				b.op("ADD", act32D, mulBase+c)
			}
		}
		b.chains(false)
		b.loop(11, func() {
			b.each(func(_, _, i v) { b.zero(mulSum + i) })
			b.dots(2)
			b.loadNumbers(0, mulScale, scale)
			b.op("ADD", 2*b.numbers(), mulScale)
			for c := range v(b.n) {
				if b.mm {
					b.op("FMOVQ.P", at(16, mulBase+r(c)), columnD+c)
				} else {
					b.op("FMOVS.P", at(4, mulBase+r(c)), columnD+c)
				}
			}
			b.each(func(p, c, i v) {
				b.scaled(columnD+c, scale+p, temp)
				b.op("SCVTF", mulSum+i, mulSum+i)
				b.s4("VFMLA", mulSum+i, temp, mulTotal+i)
			})
		})
		b.chains(true)
	})
}

// mul256 multiplies tiles of a k type that has a scale for every so many values.
func (w *writer) mul256(name string, values int, mins bool) {
	w.mulFn(name, func(b block, load func(string, any)) {
		const scale, dmin, columnD, temp = v(8), v(12), v(0), v(4)
		b.op("MOVD", 256/values, r(11))
		b.each(func(_, _, i v) { b.zero(mulTotal + i) })
		b.loop(11, func() {
			b.each(func(_, _, i v) { b.zero(mulSum + i) })
			b.dots(values / 16)
			b.loadNumbers(0, mulScale, scale)
			b.op("ADD", 2*b.numbers(), mulScale)
			b.each(func(p, _, i v) { b.op("MLA", mulSum+i, scale+p, mulTotal+i) })
		})
		if mins {
			b.minSums()
		}
		b.op("ADD", tileD, mulTile, r(11))
		b.loadNumbers(0, 11, scale)
		if mins {
			b.loadNumbers(tileDmin-tileD, 11, dmin)
		}
		for c := range v(b.n) {
			if b.mm {
				b.op("FMOVQ", at(pair256D, mulBase+r(c)), columnD+c)
			} else {
				b.op("FMOVS", at(act256D, mulBase+r(c)), columnD+c)
			}
		}
		b.each(func(p, c, i v) {
			chain := temp + 1
			memory := at(16*(int(c)*b.parts()+int(p)), mulAcc)
			b.op("FMOVQ", memory, chain)
			b.scaled(columnD+c, scale+p, temp)
			b.op("SCVTF", mulTotal+i, mulTotal+i)
			b.s4("VFMLA", mulTotal+i, temp, chain)
			if mins {
				b.scaled(columnD+c, dmin+p, temp)
				b.op("SCVTF", mulSum+i, mulSum+i)
				b.s4("VFMLS", mulSum+i, temp, chain)
			}
			b.op("FMOVQ", chain, memory)
		})
	})
}

// minSums sets the sums to those of the minimums, each times the sum of its 32 activations.
func (b block) minSums() {
	const mins = v(4)
	b.op("ADD", tileMin, mulTile, r(11))
	b.each(func(_, _, i v) { b.zero(mulSum + i) })
	if b.mm {
		// The sums of activations are 128*high + low.
		b.op("FLDPQ", at(0, 11), pair(mins, mins+1))
		b.op("FLDPQ", at(64, 11), pair(mins+2, mins+3))
		for c := range v(b.n) {
			b.op("FLDPQ", at(pairHigh, mulBase+r(c)), pair(2*c, 2*c+1))
		}
		b.each(func(p, c, i v) {
			b.op("SMMLA", 2*c, mins+p, mulSum+i)
			b.s4("VSHL", 7, mulSum+i, mulSum+i)
			b.op("SMMLA", 2*c+1, mins+p, mulSum+i)
		})
		return
	}
	for c := range v(b.n) {
		b.op("FMOVQ", at(actSum32, mulBase+r(c)), c)
	}
	for q := range v(2) {
		b.op("FLDPQ", at(int(64*q), 11), pair(mins, mins+1))
		b.op("FLDPQ", at(int(64*q)+32, 11), pair(mins+2, mins+3))
		for j := range 4 {
			for c := range v(b.n) {
				b.op("SMLAL", lane{c, 2 * j}, mins+v(j), mulSum+q*v(b.n)+c)
				b.op("SMLAL2", lane{c, 2*j + 1}, mins+v(j), mulSum+q*v(b.n)+c)
			}
		}
	}
}

var storeParams = []param{{"y", "*float32"}, {"stride", "int"}, {"acc", "*float32"}, {"n", "int"}, {"add", "bool"}}

// storeTile stores the chains of a tile to n rows of 8 values at y, stride bytes apart, or adds them there.
func (w *writer) storeTile() {
	const y, stride, acc, n, add = r(0), r(1), r(2), r(3), r(4)
	load := w.fn("storeTile", storeParams, "")
	load("y", y)
	load("stride", stride)
	load("acc", acc)
	load("n", n)
	load("add", add)
	row := func(x v) {
		skip := w.label()
		w.op("CBZ", add, skip)
		w.op("FLDPQ", at(0, y), pair(6, 7))
		w.op("FADD", v(6), x, x)
		w.op("FADD", v(7), x+1, x+1)
		w.place(skip)
		w.op("FSTPQ", pair(x, x+1), at(0, y))
		w.op("ADD", stride, y)
	}
	if !w.mm {
		w.loop(n, func() {
			w.op("FLDPQ.P", at(32, acc), pair(0, 1))
			row(0)
		})
		w.ret()
		return
	}
	again, done := w.label(), w.label()
	w.place(again)
	w.op("FLDPQ.P", at(32, acc), pair(0, 1))
	w.op("FLDPQ.P", at(32, acc), pair(2, 3))
	w.s4("VUZP1", v(1), v(0), v(4))
	w.s4("VUZP1", v(3), v(2), v(5))
	row(4)
	w.op("SUBS", 1, n)
	w.op("BEQ", done)
	w.s4("VUZP2", v(1), v(0), v(4))
	w.s4("VUZP2", v(3), v(2), v(5))
	row(4)
	w.op("SUBS", 1, n)
	w.op("BNE", again)
	w.place(done)
	w.ret()
}

// multiply does n rounds of 16 independent multiplications of vectors, to measure the processor's peak.
func (w *writer) multiply() {
	const n = r(0)
	load := w.fn("multiply", []param{{"n", "int"}}, "")
	load("n", n)
	for i := range v(18) {
		w.zero(i)
	}
	instruction := "SDOT"
	if w.mm {
		instruction = "SMMLA"
	}
	w.loop(n, func() {
		for i := range v(16) {
			w.op(instruction, v(16), v(17), i)
		}
	})
	w.ret()
}
