package main

import "fmt"

// elements are the types of float vectors: name, bytes, and how to load one vector of float32 from them.
var elements = []struct {
	name  string
	bytes int
}{{"F32", 4}, {"F16", 2}, {"BF16", 2}}

func (w *writer) loadFloats(name, from string, v vec) {
	switch name {
	case "F32":
		w.op("VMOVUPS", from, v)
	case "F16":
		w.op("VCVTPH2PS", from, v)
	case "BF16":
		w.op("VPMOVZXWD", from, v)
		w.op("VPSLLD", 16, v, v)
	}
}

// parts is the number of vectors that hold 16 lanes.
func (w *writer) parts() int { return 16 / w.lanes }

// floatRows is the number of weight rows of a float tile: a quarter of a vector.
func (w *writer) floatRows() int { return w.lanes / 4 }

var floatParams = []param{{"y", "*float32"}, {"yStride", "int"}, {"w", "*byte"}, {"wStride", "int"},
	{"x", "*float32"}, {"xStride", "int"}, {"k", "int"}, {"tiles", "int"}, {"add", "bool"}}

// The kernels for float weights compute y = x * w transposed, or y += with add, for 1 to 4 (AVX2: 2) activation
// rows and tiles of as many weight rows. Strides are in bytes; k is a multiple of 16.
func (w *writer) floatKernels() {
	for _, e := range elements {
		for columns := range w.floatRows() {
			w.floatKernel(e.name, e.bytes, columns+1)
		}
	}
}

func (w *writer) floatKernel(name string, bytes, columns int) {
	m := w.floatRows()
	load := w.fn(fmt.Sprintf("mul%sx%d", name, columns), floatParams, "")
	load("w", "SI")
	load("wStride", "R8")
	load("y", "DI")
	load("yStride", "R12")
	load("xStride", "R10")
	load("tiles", "BX")
	load("add", "R13")
	w.op("LEAQ", "(R8)(R8*2)", "R9")
	w.op("LEAQ", "(R10)(R10*2)", "R11")
	// acc(row, column, part), then the weights of every row, then one activation
	acc := func(row, column, part int) vec { return vec((column*m+row)*w.parts() + part) }
	weight := acc(0, columns, 0)
	x := weight + vec(m)
	w.loop("BX", func() {
		for i := range weight {
			w.op("VXORPS", i, i, i)
		}
		load("x", "DX")
		load("k", "CX")
		w.op("MOVQ", "SI", "AX")
		prefetch := columns == 1 && bytes == 2 // f32 did better with what the processor fetches by itself
		if prefetch {
			w.op("LEAQ", fmt.Sprintf("(SI)(R8*%d)", m), "R14") // the next tile
		}
		w.op("SHRQ", 4, "CX")
		w.loop("CX", func() {
			if prefetch {
				for i := range m {
					w.op("PREFETCHT0", fourFrom("(R14)", "R8", "R9", i, 0))
				}
				w.op("ADDQ", 16*bytes, "R14")
			}
			for p := range w.parts() {
				for i := range m {
					w.loadFloats(name, fourFrom("(AX)", "R8", "R9", i, p*w.lanes*bytes), weight+vec(i))
				}
				for c := range columns {
					w.op("VMOVUPS", fourFrom("(DX)", "R10", "R11", c, p*w.bytes()), x)
					for i := range m {
						w.op("VFMADD231PS", x, weight+vec(i), acc(i, c, p))
					}
				}
			}
			w.op("ADDQ", 16*bytes, "AX")
			w.op("ADDQ", 64, "DX")
		})
		sums := w.reduce(func(column, row int) []vec {
			var l []vec
			for p := range w.parts() {
				l = append(l, acc(row%m, min(column, columns-1), p))
			}
			return l
		}, x)
		w.op("MOVQ", "DI", "DX")
		for c := range columns {
			w.storeSums(sums, x, c)
			if c < columns-1 {
				w.op("ADDQ", "R12", "DX")
			}
		}
		w.op("LEAQ", fmt.Sprintf("(SI)(R8*%d)", m), "SI")
		w.op("ADDQ", 4*m, "DI")
	})
	w.ret()
}

// storeSums stores the 128-bit part c of sums, a column's results, to (DX), or adds it there.
func (w *writer) storeSums(sums, t vec, c int) {
	result, y := xmm(t), xmm(t+1)
	move, extract := "VMOVUPS", "VEXTRACTF32X4"
	if w.lanes == 8 {
		extract = "VEXTRACTF128"
	}
	w.op(extract, c, sums, result)
	if w.floatRows() == 2 {
		move = "VMOVSD"
	}
	skip := w.label()
	w.op("TESTB", "R13", "R13")
	w.op("JEQ", skip)
	w.op(move, "(DX)", y)
	w.op("VADDPS", y, result, result)
	w.place(skip)
	w.op(move, result, "(DX)")
}

// reduce adds up the lanes of dot products as Dot does, several of them at once: acc tells the registers of
// the product for a column, below w.lanes/4, and a row, below 4; some may be the same. In the result the 128-bit
// part c holds the sums of column c. It overwrites the registers of acc and t to t+1.
func (w *writer) reduce(acc func(column, row int) []vec, t vec) vec {
	// Every step halves the number of registers and of lanes for a product. Equal pairs are added once.
	var v []vec
	done := map[vec]bool{}
	parts := w.lanes / 4
	for i := range 4 * parts {
		l := acc(i%parts, i/parts)
		if len(l) == 2 && !done[l[0]] { // AVX2: l[j] += l[j+8] of whole registers
			done[l[0]] = true
			w.op("VADDPS", l[1], l[0], l[0])
		}
		v = append(v, l[0])
	}
	step := func(low, high func(p, q, dst vec)) {
		var next []vec
		pairs := map[[2]vec]vec{}
		for i := 0; i < len(v); i += 2 {
			p, q := v[i], v[i+1]
			if _, ok := pairs[[2]vec{p, q}]; !ok {
				low(p, q, t)
				high(p, q, t+1)
				w.op("VADDPS", t+1, t, p) // p is not needed again: its other pairs are equal
				pairs[[2]vec{p, q}] = p
			}
			next = append(next, pairs[[2]vec{p, q}])
		}
		v = next
	}
	shuffle := func(name string, imm int) func(p, q, dst vec) {
		return func(p, q, dst vec) { w.op(name, imm, q, p, dst) }
	}
	if w.lanes == 16 {
		step(shuffle("VSHUFF64X2", 0x44), shuffle("VSHUFF64X2", 0xee)) // l[j] += l[j+8]
		step(shuffle("VSHUFF64X2", 0x88), shuffle("VSHUFF64X2", 0xdd)) // l[j] += l[j+4]
	} else {
		step(shuffle("VPERM2F128", 0x20), shuffle("VPERM2F128", 0x31))
	}
	unpack := func(name string) func(p, q, dst vec) {
		return func(p, q, dst vec) { w.op(name, q, p, dst) }
	}
	step(unpack("VUNPCKLPD"), unpack("VUNPCKHPD"))           // l[j] += l[j+2]
	step(shuffle("VSHUFPS", 0x88), shuffle("VSHUFPS", 0xdd)) // l[0] += l[1]
	return v[0]
}
