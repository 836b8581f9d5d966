package main

import "fmt"

// Groups of activations, in bytes: see act32 and act256.
const (
	actBias  = 256
	act32D   = 288
	actSum16 = 256
	actSum32 = 288
	act256D  = 304
)

var mulParams = []param{{"acc", "*float32"}, {"t", "*tile"}, {"a", "unsafe.Pointer"}, {"stride", "int"}, {"n", "int"}, {"blocks", "int"},
	{"ahead", "*byte"}, {"pace", "int"}}

// The kernels that multiply a tile by a group of n activation rows, stride bytes apart: every vector of acc,
// one for each activation row, takes the next steps of its chain. The tile has 8 blocks for the k types. In
// every step, 8 values of as many activation rows as are taken at once, they prefetch a cache line, pace bytes after
// the one before.
//
// A few activation rows are taken at once, so that a vector of weights is loaded once for them. Register i is
// an integer sum for row i, total+i its sum over the sub-blocks of a k type, chain+i its chain.
func (w *writer) mulKernels() {
	if w.lanes == 16 {
		w.mul32("mul32", w.dotBytes32)
	} else {
		w.mul32("mulQ8_0", w.dotSigned32)
		w.mul32("mulQ4_0", w.dotNibbles32)
	}
	w.mul256("mulQ45K", 32, actSum32, true)
	w.mul256("mulQ6K", 16, actSum16, false)
}

// columns returns how many activation rows are taken at once, by preference.
func (w *writer) columns() []int {
	if w.lanes == 16 {
		return []int{8, 4, 2, 1}
	}
	return []int{4, 2, 1}
}

// Registers of the kernels.
const (
	weights = vec(15)
	abs     = vec(14)
	ones    = vec(13)
	temp    = vec(12)
	scale   = vec(11)
)

// total is the first of the registers for totals and for chains; no kernel has both.
func (w *writer) total() vec { return map[int]vec{8: 4, 16: 16}[w.lanes] }
func (w *writer) chain() vec { return w.total() }

// each calls f for n rows.
func each(n int, f func(i vec)) {
	for i := range vec(n) {
		f(i)
	}
}

// mulFn writes a kernel: body is written for every number n of activation rows that are taken at once.
// R13 is acc, DX the tile, SI the activations, in rows, CX their number.
func (w *writer) mulFn(name string, body func(load func(param, reg string), n int)) {
	load := w.fn(name, mulParams, "")
	load("acc", "R13")
	load("a", "SI")
	load("stride", "R8")
	load("n", "CX")
	load("ahead", "R14")
	load("pace", "R15")
	w.rows()
	for _, n := range w.columns() {
		again, next := w.label(), w.label()
		w.place(again)
		w.op("CMPQ", "CX", n)
		w.op("JLT", next)
		load("t", "DX")
		body(load, n)
		w.op("LEAQ", fmt.Sprintf("(SI)(R8*%d)", n), "SI")
		w.op("ADDQ", n*w.bytes(), "R13")
		w.op("SUBQ", n, "CX")
		w.op("JMP", again)
		w.place(next)
	}
	w.ret()
}

// step prefetches with every other dword k, unless there are fewer rows than can be taken at once.
func (w *writer) step(n, k int) {
	if n == w.columns()[0] && k%2 == 0 {
		w.prefetch()
	}
}

func (w *writer) accumulator(i vec) string { return mem(int(i)*w.bytes(), "(R13)") }

// withBroadcast writes an instruction whose first operand is a dword in memory, for all lanes. AVX2 loads it to
// temp.
func (w *writer) withBroadcast(name, dword string, src, dst vec) {
	if w.lanes == 16 {
		w.op(name+".BCST", dword, src, dst)
	} else {
		w.op("VPBROADCASTD", dword, temp)
		w.op(name, temp, src, dst)
	}
}

// mul32 multiplies q8_0 and q4_0 tiles, one block of 32 after the other. dots computes the integer sums; DI+actBias
// is -128 times the sum of the activations, ones holds 1 in all words (AVX2).
func (w *writer) mul32(name string, dots func(n int)) {
	w.mulFn(name, func(load func(param, reg string), n int) {
		load("blocks", "BX")
		w.op("LEAQ", w.tile(tileScale), "R12")
		if w.lanes == 8 {
			w.constant(0x00010001, ones)
		}
		each(n, func(i vec) { w.op("VMOVUPS", w.accumulator(i), w.chain()+i) })
		w.op("MOVQ", "SI", "AX") // SI moves along the values, DI along bias and d
		w.op("MOVQ", "SI", "DI")
		w.loop("BX", func() {
			dots(n)
			w.op("VMOVUPS", "(R12)", scale)
			each(n, func(i vec) {
				w.op("VCVTDQ2PS", i, i)
				w.withBroadcast("VMULPS", rowFrom("(DI)", int(i), act32D), scale, temp)
				w.op("VFMADD231PS", i, temp, w.chain()+i)
			})
			w.op("ADDQ", 8*w.bytes(), "DX")
			w.op("ADDQ", w.bytes(), "R12")
			w.op("ADDQ", 32, "SI")
			w.op("ADDQ", 4, "DI")
		})
		w.op("MOVQ", "AX", "SI")
		each(n, func(i vec) { w.op("VMOVUPS", w.chain()+i, w.accumulator(i)) })
	})
}

// dotBytes32 takes weights as w+128, by VNNI.
func (w *writer) dotBytes32(n int) {
	each(n, func(i vec) { w.op("VPBROADCASTD", rowFrom("(DI)", int(i), actBias), i) })
	w.dotBytes(n, 8)
}

// dotSigned32 takes weights as they are, by AVX2: |w| times a with the sign of w. Sums of pairs stay below
// 2 * 128 * 127.
func (w *writer) dotSigned32(n int) {
	each(n, func(i vec) { w.op("VPXOR", i, i, i) })
	for k := range 8 {
		w.step(n, k)
		w.op("VMOVDQU", w.tile(k), weights)
		w.op("VPABSB", weights, abs)
		each(n, func(i vec) {
			w.op("VPBROADCASTD", row(int(i), 4*k), temp)
			w.op("VPSIGNB", weights, temp, temp)
			w.op("VPMADDUBSW", temp, abs, temp)
			w.op("VPMADDWD", ones, temp, temp)
			w.op("VPADDD", temp, i, i)
		})
	}
}

// dotNibbles32 takes weights as w+8, by AVX2. Sums of 8 pairs stay below 8 * 2 * 15 * 127.
func (w *writer) dotNibbles32(n int) {
	w.dotPairs(n, 0, 8)
	each(n, func(i vec) {
		w.op("VPMADDWD", ones, i, i)
		w.op("VPBROADCASTD", rowFrom("(DI)", int(i), actBias), temp)
		w.op("VPSRAD", 4, temp, temp) // -8 * the sum of the activations
		w.op("VPADDD", temp, i, i)
	})
}

// dotPairs sums the products of unsigned weights, dwords from <= k < to, to words, by AVX2.
func (w *writer) dotPairs(n, from, to int) {
	for k := from; k < to; k++ {
		w.step(n, k)
		w.op("VMOVDQU", w.tile(k), weights)
		each(n, func(i vec) {
			w.op("VPBROADCASTD", row(int(i), 4*k), temp)
			if k == from {
				w.op("VPMADDUBSW", temp, weights, i)
				return
			}
			w.op("VPMADDUBSW", temp, weights, temp)
			w.op("VPADDW", temp, i, i)
		})
	}
}

// dotBytes adds the products of 4*dwords unsigned weights, by VNNI.
func (w *writer) dotBytes(n, dwords int) {
	for k := range dwords {
		w.step(n, k)
		w.op("VMOVDQU", w.tile(k), weights)
		each(n, func(i vec) { w.op("VPDPBUSD.BCST", row(int(i), 4*k), weights, i) })
	}
}

// mul256 multiplies tiles of a k type that has a scale for every so many values. Besides, it multiplies the int16
// in tilePairs by the activations' sums at the offset: minimums, or the scales of q6_k, whose weights are taken
// as w+32 and whose total is therefore 32 times that product too large.
func (w *writer) mul256(name string, values, sums int, mins bool) {
	w.mulFn(name, func(load func(param, reg string), n int) {
		w.op("LEAQ", w.tile(tileScale), "R12")
		w.op("MOVQ", 256/values, "BX")
		each(n, func(i vec) { w.op("VPXOR", w.total()+i, w.total()+i, w.total()+i) })
		w.loop("BX", func() {
			w.op("VMOVDQU", "(R12)", scale)
			if w.lanes == 16 {
				each(n, func(i vec) { w.op("VPXOR", i, i, i) })
				w.dotBytes(n, values/4)
				each(n, func(i vec) {
					w.op("VPMULLD", scale, i, i)
					w.op("VPADDD", i, w.total()+i, w.total()+i)
				})
			} else {
				w.scaledBytes(n, values/4)
			}
			w.op("ADDQ", values/4*w.bytes(), "DX")
			w.op("ADDQ", w.bytes(), "R12")
			w.op("ADDQ", values, "SI")
		})
		w.op("SUBQ", 256, "SI")
		w.op("SUBQ", 64*w.bytes(), "DX")

		each(n, func(i vec) { w.op("VPXOR", i, i, i) })
		for c := range 128 / values {
			w.op("VMOVDQU", w.tile(tilePairs+c), scale)
			each(n, func(i vec) {
				if w.lanes == 16 {
					w.withBroadcast("VPDPWSSD", row(int(i), sums+4*c), scale, i)
				} else {
					w.withBroadcast("VPMADDWD", row(int(i), sums+4*c), scale, temp)
					w.op("VPADDD", temp, i, i)
				}
			})
		}
		if !mins {
			each(n, func(i vec) {
				w.op("VPSLLD", 5, i, i)
				w.op("VPSUBD", i, w.total()+i, w.total()+i)
			})
		}
		dmin, chain := weights, abs // free by now
		w.op("VMOVUPS", w.tile(tileD), scale)
		if mins {
			w.op("VMOVUPS", w.tile(tileDmin), dmin)
		}
		each(n, func(i vec) {
			w.op("VCVTDQ2PS", w.total()+i, w.total()+i)
			w.withBroadcast("VMULPS", row(int(i), act256D), scale, temp)
			w.op("VMOVUPS", w.accumulator(i), chain)
			w.op("VFMADD231PS", w.total()+i, temp, chain)
			if mins {
				w.op("VCVTDQ2PS", i, i)
				w.withBroadcast("VMULPS", row(int(i), act256D), dmin, temp)
				w.op("VFNMADD231PS", i, temp, chain)
			}
			w.op("VMOVUPS", chain, w.accumulator(i))
		})
	})
}

// scaledBytes adds to the totals the products of 4*dwords unsigned weights times the scale, by AVX2. The sums
// of pairs stay below 2 * 31 * 127 in q5_k and 2 * 63 * 127 in q6_k, so that 4 or 2 of them fit an int16.
func (w *writer) scaledBytes(n, dwords int) {
	for half := range 2 {
		w.dotPairs(n, half*dwords/2, (half+1)*dwords/2)
		each(n, func(i vec) {
			w.op("VPMADDWD", scale, i, i)
			w.op("VPADDD", i, w.total()+i, w.total()+i)
		})
	}
}
