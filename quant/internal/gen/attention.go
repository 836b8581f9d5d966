package main

import "fmt"

// cacheElements are the types that keys and values are cached in: bytes of 16 values, and those of the scale of 32.
var cacheElements = []cacheElement{{"F32", 64, 0}, {"F16", 32, 0}, {"Q8_0", 16, 2}}

type cacheElement struct {
	name         string
	bytes, scale int
}

// attentionKernels writes the two products of attention and the softmax between them.
func (w *writer) attentionKernels() {
	for n := range 5 {
		w.keyDots(n + 1)
	}
	for _, e := range cacheElements {
		for n := range w.valueQueries(e) {
			w.axpyRows(e, n+1)
		}
	}
	w.softmax()
	w.scaleAXPY()
}

// keyDots multiplies n queries by blocks of 64 q8_0 keys as PutKey leaves them: dst[i][j] is the chain of fused
// multiply-adds over the values of query i and key j in ascending order. Strides are in bytes. For every value of a block
// a line is prefetched, from ahead bytes behind keys on, pace bytes after the one before.
func (w *writer) keyDots(n int) {
	load := w.fn(fmt.Sprintf("keyDotsQ8_0x%d", n), []param{{"dst", "*float32"}, {"dstStride", "int"},
		{"keys", "*byte"}, {"blocks", "int"}, {"q", "*float32"}, {"qStride", "int"}, {"dim", "int"}, {"ahead", "int"}, {"pace", "int"}}, "")
	load("dst", "DI")
	load("keys", "SI")
	load("blocks", "BX")
	load("qStride", "R8")
	load("ahead", "R14")
	w.op("ADDQ", "SI", "R14")
	w.op("LEAQ", "(R8)(R8*2)", "R9")
	w.op("LEAQ", "(R8)(R8*4)", "R10")
	// A few queries or the vectors of keys are held in registers, the others are loaded one by one. AVX2 takes a
	// half or a quarter of a block at once, with offsets R12 and R13 of its scales and values.
	vectors := 4
	if w.lanes == 8 && n > 2 {
		vectors = 2
	}
	held, single := min(n, vectors), vec(n*vectors)
	acc := func(query, v int) vec { return vec(query*vectors + v) }
	hold := func(i int) vec { return single + 1 + vec(i) }
	scale := func(v int) vec { return hold(held + v) }
	at := func(v, bytes, offset int, part string) string {
		if w.lanes == 16 {
			part = ""
		}
		return mem(offset+v*w.lanes*bytes, "(AX)"+part)
	}
	loadKey := func(v, d int, to vec) {
		w.op("VPMOVSXBD", at(v, 1, 64*d, "(R13*1)"), to)
		w.op("VCVTDQ2PS", to, to)
		w.op("VMULPS", scale(v), to, to)
	}
	loadQuery := func(i, d int, to vec) { w.op("VBROADCASTSS", rowFrom("(DX)", i, 4*d), to) }
	step := func(d int) {
		if n <= vectors {
			for i := range n {
				loadQuery(i, d, hold(i))
			}
			for v := range vectors {
				loadKey(v, d, single)
				for i := range n {
					w.op("VFMADD231PS", hold(i), single, acc(i, v))
				}
			}
			return
		}
		for v := range vectors {
			loadKey(v, d, hold(v))
		}
		for i := range n {
			loadQuery(i, d, single)
			for v := range vectors {
				w.op("VFMADD231PS", single, hold(v), acc(i, v))
			}
		}
	}
	part := func() {
		for i := range single {
			w.op("VXORPS", i, i, i)
		}
		load("q", "DX")
		load("dim", "CX")
		w.op("MOVQ", "SI", "AX")
		w.op("SHRQ", 5, "CX")
		w.loop("CX", func() {
			for v := range vectors {
				w.op("VCVTPH2PS", at(v, 2, 0, "(R12*1)"), scale(v))
			}
			w.op("ADDQ", 128, "AX")
			const steps = 2
			w.op("MOVQ", 32/steps, "R11")
			w.loop("R11", func() {
				for d := range steps {
					w.op("PREFETCHT0", "(R14)")
					w.op("ADDQ", "R15", "R14")
					step(d)
				}
				w.op("ADDQ", 64*steps, "AX")
				w.op("ADDQ", 4*steps, "DX")
			})
		})
		w.op("MOVQ", "DI", "DX")
		load("dstStride", "R11")
		for i := range n {
			for v := range vectors {
				w.op("VMOVUPS", acc(i, v), mem(v*w.bytes(), "(DX)"))
			}
			if i < n-1 {
				w.op("ADDQ", "R11", "DX")
			}
		}
		w.op("ADDQ", vectors*w.bytes(), "DI")
	}
	w.loop("BX", func() {
		load("pace", "R15")
		if w.lanes == 16 {
			part()
		} else {
			again := w.label()
			w.op("XORQ", "R12", "R12")
			w.op("XORQ", "R13", "R13")
			w.place(again)
			part()
			w.op("XORQ", "R15", "R15") // the block's lines are done
			w.op("ADDQ", 2*vectors*w.lanes, "R12")
			w.op("ADDQ", vectors*w.lanes, "R13")
			w.op("CMPQ", "R13", 64)
			w.op("JNE", again)
		}
		w.op("MOVQ", "AX", "SI")
	})
	w.ret()
}

// valueQueries is the number of queries whose sums fit the registers.
func (w *writer) valueQueries(e cacheElement) int {
	switch {
	case w.lanes == 16:
		return 6
	case e.scale > 0:
		return 2
	}
	return 4
}

// axpyRows adds rows of v, each times its p, to n rows of y. Strides are in bytes; width is a multiple of 16, of
// 32 for q8_0. Each row is a step for every so many columns as axpyColumns in cpu_amd64.go says; a step prefetches what
// it takes of a row from ahead bytes behind v on, pace bytes after the step before.
func (w *writer) axpyRows(e cacheElement, n int) {
	load := w.fn(fmt.Sprintf("axpyRows%sx%d", e.name, n), []param{{"y", "*float32"}, {"yStride", "int"}, {"p", "*float32"},
		{"pStride", "int"}, {"v", "*byte"}, {"vStride", "int"}, {"rows", "int"}, {"width", "int"}, {"ahead", "int"}, {"pace", "int"}}, "")
	load("y", "DI")
	load("yStride", "R8")
	load("v", "SI")
	load("vStride", "R12")
	load("width", "R13")
	load("ahead", "R14")
	load("pace", "R15")
	w.op("ADDQ", "SI", "R14")
	w.op("LEAQ", "(R8)(R8*2)", "R9")
	w.op("LEAQ", "(R8)(R8*4)", "R10")
	sums := 24 // registers for them
	if w.lanes == 8 {
		sums = 8
	}
	unit := 8 // columns at once, in 16
	for unit*n*w.parts() > sums {
		unit /= 2
	}
	bytesOf := func(columns int) int { // of a row of v
		if e.scale > 0 {
			return columns / 32 * 34
		}
		return columns * e.bytes / 16
	}
	for ; 16*unit >= 16+8*e.scale; unit /= 2 {
		vectors := unit * w.parts()
		y := func(i, v int) vec { return vec(i*vectors + v) }
		p := func(i int) vec { return y(n, i) }
		v := p(n)
		scale := v + 1
		again, next := w.label(), w.label()
		w.place(again)
		w.op("CMPQ", "R13", 16*unit)
		w.op("JLT", next)
		for i := range n {
			for part := range vectors {
				w.op("VMOVUPS", rowFrom("(DI)", i, part*w.bytes()), y(i, part))
			}
		}
		// The strides of p take the registers of those of y.
		load("p", "DX")
		load("pStride", "R8")
		w.op("LEAQ", "(R8)(R8*2)", "R9")
		w.op("LEAQ", "(R8)(R8*4)", "R10")
		load("rows", "BX")
		w.op("MOVQ", "SI", "AX")
		w.loop("BX", func() {
			for line := 0; line < bytesOf(16*unit); line += 64 {
				w.op("PREFETCHT0", mem(line, "(R14)"))
			}
			w.op("ADDQ", "R15", "R14")
			for i := range n {
				w.op("VBROADCASTSS", rowFrom("(DX)", i, 0), p(i))
			}
			for part := range vectors {
				column := part * w.lanes
				if e.scale > 0 {
					block := column / 32 * 34
					if column%32 == 0 {
						w.op("VPBROADCASTW", mem(block, "(AX)"), w.half(scale))
						w.op("VCVTPH2PS", w.half(scale), scale)
					}
					w.op("VPMOVSXBD", mem(block+2+column%32, "(AX)"), v)
					w.op("VCVTDQ2PS", v, v)
					w.op("VMULPS", scale, v, v)
				} else {
					w.loadFloats(e.name, mem(bytesOf(column), "(AX)"), v)
				}
				for i := range n {
					w.op("VFMADD231PS", v, p(i), y(i, part))
				}
			}
			w.op("ADDQ", "R12", "AX")
			w.op("ADDQ", 4, "DX")
		})
		load("yStride", "R8")
		w.op("LEAQ", "(R8)(R8*2)", "R9")
		w.op("LEAQ", "(R8)(R8*4)", "R10")
		for i := range n {
			for part := range vectors {
				w.op("VMOVUPS", y(i, part), rowFrom("(DI)", i, part*w.bytes()))
			}
		}
		w.op("ADDQ", 64*unit, "DI")
		w.op("ADDQ", bytesOf(16*unit), "SI")
		w.op("SUBQ", 16*unit, "R13")
		w.op("JMP", again)
		w.place(next)
	}
	w.ret()
}

// half is the lower half of a vector register.
func (w *writer) half(v vec) any {
	if w.lanes == 16 {
		return ymm(v)
	}
	return xmm(v)
}

// softmax replaces n values of x, a multiple of 16, by the exponentials of their differences to the largest one,
// which it stores to peak, and returns the sum of these, in the order of Dot.
func (w *writer) softmax() {
	load := w.fn("softmax", []param{{"x", "*float32"}, {"n", "int"}, {"scale", "float32"}, {"peak", "*float32"}, {"table", "*expConstants"}}, "float32")
	load("x", "SI")
	load("n", "CX")
	load("table", "DX")
	load("scale", "X8")
	scale, peak, sum := vec(8), vec(9), vec(10)
	w.op("VBROADCASTSS", xmm(scale), scale)
	w.op("SHRQ", 4, "CX")
	w.op("MOVQ", "CX", "BX")
	w.op("MOVQ", "SI", "DI")
	w.constant(0xff800000, peak) // -Inf
	w.loop("CX", func() {
		for p := range w.parts() {
			w.op("VMULPS", mem(p*w.bytes(), "(SI)"), scale, vec(0))
			w.op("VMAXPS", peak, vec(0), peak)
			w.op("VMOVUPS", vec(0), mem(p*w.bytes(), "(SI)"))
		}
		w.op("ADDQ", 64, "SI")
	})
	w.max(peak, 0)
	load("peak", "AX")
	w.op("VMOVSS", xmm(peak), "(AX)")
	w.op("VBROADCASTSS", xmm(peak), peak)
	var sums []vec
	for p := range w.parts() {
		sums = append(sums, sum+vec(p))
		w.op("VXORPS", sums[p], sums[p], sums[p])
	}
	w.loop("BX", func() {
		for p := range w.parts() {
			w.op("VMOVUPS", mem(p*w.bytes(), "(DI)"), vec(0))
			w.op("VSUBPS", peak, vec(0), vec(0))
			w.exp(0, 1)
			w.op("VMOVUPS", vec(0), mem(p*w.bytes(), "(DI)"))
			w.op("VADDPS", vec(0), sums[p], sums[p])
		}
		w.op("ADDQ", 64, "DI")
	})
	w.sum(sums, 0, load)
	w.ret()
}

// scaleAXPY sets y to y * scale + a * x.
func (w *writer) scaleAXPY() {
	load := w.fn("scaleAXPY", []param{{"y", "*float32"}, {"x", "*float32"}, {"n", "int"}, {"scale", "float32"}, {"a", "float32"}}, "")
	load("y", "DI")
	load("x", "SI")
	load("n", "CX")
	load("scale", "X0")
	load("a", "X1")
	w.op("VBROADCASTSS", xmm(0), vec(0))
	w.op("VBROADCASTSS", xmm(1), vec(1))
	w.op("SHRQ", 4, "CX")
	w.loop("CX", func() {
		for p := range w.parts() {
			w.op("VMULPS", mem(p*w.bytes(), "(DI)"), vec(0), vec(2))
			w.op("VFMADD231PS", mem(p*w.bytes(), "(SI)"), vec(1), vec(2))
			w.op("VMOVUPS", vec(2), mem(p*w.bytes(), "(DI)"))
		}
		w.op("ADDQ", 64, "DI")
		w.op("ADDQ", 64, "SI")
	})
	w.ret()
}
