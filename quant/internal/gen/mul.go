package main

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

// The kernels that multiply a tile by a group of n activation rows, stride bytes apart: the 16 chains in acc for
// each activation row take their next steps. The tile has 8 blocks for the k types.
//
// A few activation rows are taken at once, so that weights are loaded once for them; with vectors of 8 lanes an activation
// is loaded once for both parts of the tile. For every 8 of their values a cache line is prefetched, pace bytes after the
// one before, unless they are fewer than half as many as can be taken at once.
func (w *writer) mulKernels() {
	if w.vnni {
		w.mul32("mul32", w.dotBytes32)
		w.mul256("mulQ45K", 32, actSum32, w.scaledBytes(32), true)
		w.mul256("mulQ6K", 16, actSum16, w.scaledBytes(16), false)
		return
	}
	w.mul32("mulQ8_0", w.dotSigned32)
	w.mul32("mulQ4_0", w.dotNibbles32)
	// The sums of pairs stay below 2 * 15 * 127, 2 * 31 * 127 and 2 * 63 * 127, so that 8, 4 and 2 of them fit an int16.
	w.mul256("mulQ4K", 32, actSum32, w.scaledPairs(32, 8), true)
	w.mul256("mulQ5K", 32, actSum32, w.scaledPairs(32, 4), true)
	w.mul256("mulQ6K", 16, actSum16, w.scaledPairs(16, 2), false)
}

// columns returns how many activation rows are taken at once, by preference.
func (w *writer) columns() []int {
	if w.lanes == 16 {
		return []int{8, 4, 2, 1}
	}
	return []int{3, 2, 1}
}

// Registers of the kernels, beyond the sums.
const (
	weights = vec(14) // and 15: for the parts of the tile
	act     = vec(13)
	temp    = vec(12)
)

// each calls f for n registers.
func each(n int, f func(i vec)) {
	for i := range vec(n) {
		f(i)
	}
}

// sumOf and totalOf are the registers for an activation row and a part of the tile, the latter for a sum over a block of
// a k type, or a chain.
func (w *writer) sumOf(row, part int) vec { return vec(row*w.parts() + part) }
func (w *writer) totalOf(row, part int) vec {
	return map[int]vec{8: 6, 16: 16}[w.lanes] + w.sumOf(row, part)
}

// zero sets registers of n activation rows, from the first one on, to 0.
func (w *writer) zero(first vec, n int) {
	each(n*w.parts(), func(i vec) { w.op("VPXOR", first+i, first+i, first+i) })
}

// at is the operand of a part of the i-th 16 lanes at an address.
func (w *writer) at(address string, i, part int) string { return mem(64*i+part*w.bytes(), address) }

// accumulator is the operand of the chains of an activation row and a part of the tile.
func (w *writer) accumulator(row, part int) string { return w.at("(R13)", row, part) }

// loadParts loads the parts of the i-th 16 lanes at an address to v and, if there are two, v+1.
func (w *writer) loadParts(address string, i int, v vec) {
	each(w.parts(), func(p vec) { w.op("VMOVDQU", w.at(address, i, int(p)), v+p) })
}

// broadcast returns the operand of a dword in memory for all lanes. AVX2 loads it to t.
func (w *writer) broadcast(dword string, t vec) any {
	if w.lanes == 16 {
		return everyLane(dword)
	}
	w.op("VPBROADCASTD", dword, t)
	return t
}

// step prefetches with every other dword k.
func (w *writer) step(n, k int) {
	if 2*n >= w.columns()[0] && k%2 == 0 {
		w.prefetch()
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
		if n == 3 { // two and two are faster than three and one
			w.op("CMPQ", "CX", 4)
			w.op("JEQ", next)
		}
		load("t", "DX")
		body(load, n)
		for range n / 3 {
			w.op("ADDQ", "R9", "SI")
		}
		for range n % 3 {
			w.op("ADDQ", "R8", "SI")
		}
		w.op("ADDQ", 64*n, "R13")
		w.op("SUBQ", n, "CX")
		w.op("JMP", again)
		w.place(next)
	}
	w.ret()
}

// mul32 multiplies q8_0 and q4_0 tiles, one block of 32 after the other. dots computes the integer sums; DI+actBias
// is -128 times the sum of the activations.
func (w *writer) mul32(name string, dots func(n int)) {
	w.mulFn(name, func(load func(param, reg string), n int) {
		load("blocks", "BX")
		w.op("LEAQ", w.tile(tileScale), "R12")
		for i := range n {
			for p := range w.parts() {
				w.op("VMOVUPS", w.accumulator(i, p), w.totalOf(i, p))
			}
		}
		w.op("MOVQ", "SI", "AX") // SI moves along the values, DI along bias and d
		w.op("MOVQ", "SI", "DI")
		w.loop("BX", func() {
			dots(n)
			w.loadParts("(R12)", 0, weights)
			for i := range n {
				d := w.broadcast(rowFrom("(DI)", i, act32D), act)
				for p := range w.parts() {
					sum := w.sumOf(i, p)
					w.op("VCVTDQ2PS", sum, sum)
					w.op("VMULPS", d, weights+vec(p), temp)
					w.op("VFMADD231PS", sum, temp, w.totalOf(i, p))
				}
			}
			w.op("ADDQ", 8*64, "DX")
			w.op("ADDQ", 64, "R12")
			w.op("ADDQ", 32, "SI")
			w.op("ADDQ", 4, "DI")
		})
		w.op("MOVQ", "AX", "SI")
		for i := range n {
			for p := range w.parts() {
				w.op("VMOVUPS", w.totalOf(i, p), w.accumulator(i, p))
			}
		}
	})
}

// dotBytes32 takes weights as w+128, by VNNI.
func (w *writer) dotBytes32(n int) {
	for i := range n {
		for p := range w.parts() {
			w.op("VPBROADCASTD", rowFrom("(DI)", i, actBias), w.sumOf(i, p))
		}
	}
	w.dotBytes(n, 8)
}

// dotSigned32 takes weights as they are, by AVX2: |w| times a with the sign of w. Sums of pairs stay below
// 2 * 128 * 127.
func (w *writer) dotSigned32(n int) {
	const weights, abs, ones = vec(15), vec(14), vec(13)
	w.zero(0, n)
	w.wordOnes(ones)
	for k := range 8 {
		w.step(n, k)
		for p := range w.parts() {
			w.op("VMOVDQU", w.at("(DX)", k, p), weights)
			w.op("VPABSB", weights, abs)
			for i := range n {
				sum := w.sumOf(i, p)
				w.op("VPBROADCASTD", row(i, 4*k), temp)
				w.op("VPSIGNB", weights, temp, temp)
				w.op("VPMADDUBSW", temp, abs, temp)
				w.op("VPMADDWD", ones, temp, temp)
				w.op("VPADDD", temp, sum, sum)
			}
		}
	}
}

// dotNibbles32 takes weights as w+8, by AVX2. Sums of 8 pairs stay below 8 * 2 * 15 * 127.
func (w *writer) dotNibbles32(n int) {
	w.dotPairs(n, 0, 8)
	w.wordOnes(weights)
	for i := range n {
		w.op("VPBROADCASTD", rowFrom("(DI)", i, actBias), act)
		w.op("VPSRAD", 4, act, act) // -8 * the sum of the activations
		for p := range w.parts() {
			w.op("VPMADDWD", weights, w.sumOf(i, p), w.sumOf(i, p))
			w.op("VPADDD", act, w.sumOf(i, p), w.sumOf(i, p))
		}
	}
}

// wordOnes sets v to 1 in every word.
func (w *writer) wordOnes(v vec) {
	w.op("VPCMPEQW", v, v, v)
	w.op("VPSRLW", 15, v, v)
}

// dotPairs sums the products of unsigned weights, dwords from <= k < to, to words, by AVX2.
func (w *writer) dotPairs(n, from, to int) {
	for k := from; k < to; k++ {
		w.step(n, k)
		w.loadParts("(DX)", k, weights)
		for i := range n {
			w.op("VPBROADCASTD", row(i, 4*k), act)
			for p := range w.parts() {
				if k == from {
					w.op("VPMADDUBSW", act, weights+vec(p), w.sumOf(i, p))
					continue
				}
				w.op("VPMADDUBSW", act, weights+vec(p), temp)
				w.op("VPADDW", temp, w.sumOf(i, p), w.sumOf(i, p))
			}
		}
	}
}

// dotBytes adds the products of unsigned weights, by VNNI.
func (w *writer) dotBytes(n, dwords int) {
	for k := range dwords {
		w.step(n, k)
		w.loadParts("(DX)", k, weights)
		for i := range n {
			a := w.broadcast(row(i, 4*k), act)
			for p := range w.parts() {
				w.op("VPDPBUSD", a, weights+vec(p), w.sumOf(i, p))
			}
		}
	}
}

// mul256 multiplies tiles of a k type that has a scale for every so many values, whose products scaled adds to the totals,
// times the scale. Besides, it multiplies the int16
// in tilePairs by the activations' sums at the offset: minimums, or the scales of q6_k, whose weights are taken
// as w+32 and whose total is therefore 32 times that product too large.
func (w *writer) mul256(name string, values, sums int, scaled func(n int), mins bool) {
	w.mulFn(name, func(load func(param, reg string), n int) {
		w.op("LEAQ", w.tile(tileScale), "R12")
		w.op("MOVQ", 256/values, "BX")
		w.zero(w.totalOf(0, 0), n)
		w.loop("BX", func() {
			scaled(n)
			w.op("ADDQ", values/4*64, "DX")
			w.op("ADDQ", 64, "R12")
			w.op("ADDQ", values, "SI")
		})
		w.op("SUBQ", 256, "SI")
		w.op("SUBQ", 64*64, "DX")

		w.zero(0, n)
		for c := range 128 / values {
			w.loadParts("(DX)", tilePairs+c, weights)
			for i := range n {
				a := w.broadcast(row(i, sums+4*c), act)
				for p := range w.parts() {
					if w.vnni {
						w.op("VPDPWSSD", a, weights+vec(p), w.sumOf(i, p))
					} else {
						w.op("VPMADDWD", a, weights+vec(p), temp)
						w.op("VPADDD", temp, w.sumOf(i, p), w.sumOf(i, p))
					}
				}
			}
		}
		for i := range n {
			w.op("VBROADCASTSS", row(i, act256D), act)
			for p := range w.parts() {
				sum, total, chain := w.sumOf(i, p), w.totalOf(i, p), weights
				if mins {
					w.op("VCVTDQ2PS", sum, sum)
				} else {
					w.op("VPSLLD", 5, sum, sum)
					w.op("VPSUBD", sum, total, total)
				}
				w.op("VCVTDQ2PS", total, total)
				w.op("VMOVUPS", w.accumulator(i, p), chain)
				w.op("VMULPS", w.at("(DX)", tileD, p), act, temp)
				w.op("VFMADD231PS", total, temp, chain)
				if mins {
					w.op("VMULPS", w.at("(DX)", tileDmin, p), act, temp)
					w.op("VFNMADD231PS", sum, temp, chain)
				}
				w.op("VMOVUPS", chain, w.accumulator(i, p))
			}
		}
	})
}

// scaledBytes returns what mul256 needs for unsigned weights, by VNNI.
func (w *writer) scaledBytes(values int) func(n int) {
	return func(n int) {
		w.zero(0, n)
		w.dotBytes(n, values/4)
		w.scale(n, "VPMULLD")
	}
}

// scaledPairs returns it for AVX2; as many dwords as fit can be summed up in words.
func (w *writer) scaledPairs(values, fit int) func(n int) {
	return func(n int) {
		for k := 0; k < values/4; k += fit {
			w.dotPairs(n, k, k+fit)
			w.scale(n, "VPMADDWD")
		}
	}
}

// scale adds to the totals the sums times the scales, as the instruction multiplies them.
func (w *writer) scale(n int, multiply string) {
	w.loadParts("(R12)", 0, weights)
	for i := range n {
		for p := range w.parts() {
			sum, total := w.sumOf(i, p), w.totalOf(i, p)
			w.op(multiply, weights+vec(p), sum, sum)
			w.op("VPADDD", sum, total, total)
		}
	}
}
