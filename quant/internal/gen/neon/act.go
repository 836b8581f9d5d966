package neon

// Registers of the kernels that quantize activations.
const (
	actDst   = r(0)
	actX     = r(1)
	actGroup = r(3)  // quantizeAct32: moves by one number a block
	actInv   = v(24) // 127 / the largest magnitude
	actD     = v(25)
	actOnes  = v(26) // bytes
	actSums  = v(16) // 4: of 16 values each
)

// actKernels writes what quantizes n blocks of activations as quantizeAct does, with their sums: blocks of 256,
// or of 32, all in one group.
func (w *writer) actKernels() {
	w.actKernel("quantizeAct256", "*act256", 256, func() {
		const sums16, sums32, count = r(8), r(9), r(10)
		w.op("ADD", actSum16, actDst, sums16)
		w.op("ADD", actSum32, actDst, sums32)
		w.op("FMOVS", actD, at(act256D, actDst))
		w.op("MOVD", 4, count)
		w.loop(count, func() {
			w.quantize(64)
			w.addUp(actSums)
			w.s4("VADDP", actSums, actSums, actSums+1)
			w.h8("VUZP1", actSums, actSums, actSums)
			w.h8("VUZP1", actSums+1, actSums+1, actSums+1)
			w.op("FMOVD.P", actSums, at(8, sums16))
			w.op("FMOVS.P", actSums+1, at(4, sums32))
		})
		w.op("ADD", actSize-256, actDst)
	})
	w.actKernel("quantizeAct32", "*act32", 32, func() {
		w.quantize(32)
		w.s4("VADD", actSums+1, actSums, actSums)
		w.op("VADDV", "V16.S4", "V16")
		w.op("FMOVS", actSums, r(8))
		w.op("NEGW", "R8<<7", r(8))
		w.op("MOVW", r(8), at(actBias, actGroup))
		w.op("FMOVS", actD, at(act32D, actGroup))
		w.op("ADD", 4, actGroup)
	})
}

// actKernel writes a kernel for blocks of so many values. The body quantizes one from actX to actDst and moves both
// on.
func (w *writer) actKernel(name, typ string, values int, body func()) {
	const (
		n, x, count     = r(2), r(4), r(5)
		top, limit, inv = r(6), r(7), r(8)
		absMask, full   = v(27), v(28)
	)
	load := w.fn(name, []param{{"dst", typ}, {"x", "*float32"}, {"n", "int"}}, "")
	load("dst", actDst)
	load("x", actX)
	load("n", n)
	w.op("MOVD", actDst, actGroup)
	w.bytes(1, actOnes)
	w.op("MOVD", "$0x7fffffff", limit)
	w.op("VDUP", limit, "V27.S4")
	w.op("MOVD", "$0x42fe0000", limit) // 127
	w.op("FMOVS", limit, full)
	w.op("MOVD", "$0x7f7fffff", limit) // the largest finite value
	w.loop(n, func() {
		zero, done := w.label(), w.label()
		w.zero(16, 17, 18, 19)
		w.op("MOVD", actX, x)
		w.op("MOVD", values/32, count)
		w.loop(count, func() {
			for i := v(0); i < 8; i += 2 {
				w.op("FLDPQ.P", at(32, x), pair(i, i+1))
			}
			for i := range v(8) {
				w.b16("VAND", absMask, i, i)
				w.s4("VUMAX", i, 16+i%4, 16+i%4)
			}
		})
		w.s4("VUMAX", v(17), v(16), v(16))
		w.s4("VUMAX", v(19), v(18), v(18))
		w.s4("VUMAX", v(18), v(16), v(16))
		w.op("UMAXV", v(16), v(16))
		w.op("FDIVS", v(16), full, actInv)
		w.op("FDIVS", full, v(16), actD)
		w.op("FMOVS", v(16), top)
		w.op("FMOVS", actInv, inv)
		w.op("CMPW", limit, top)
		w.op("BHI", zero)
		w.op("CMPW", limit, inv)
		w.op("BLS", done)
		w.place(zero) // the product of anything with 0 becomes the integer 0, that of a NaN too
		w.zero(actInv, actD)
		w.place(done)
		body()
	})
	w.ret()
}

// quantize quantizes so many values, up to 64, and sets actSums to the sums of every 16, in four lanes each.
func (w *writer) quantize(values int) {
	vectors := v(values / 4)
	for i := v(0); i < vectors; i += 2 {
		w.op("FLDPQ.P", at(32, actX), pair(i, i+1))
	}
	for i := range vectors {
		w.op("FMUL", lane{actInv, 0}, i, i)
		w.op("FCVTNS", i, i)
	}
	for i := range vectors / 2 {
		w.h8("VUZP1", 2*i+1, 2*i, i)
	}
	for i := range vectors / 4 {
		w.b16("VUZP1", 2*i+1, 2*i, i)
	}
	for i := range vectors / 4 {
		if i%2 == 0 {
			w.op("FSTPQ.P", pair(i, i+1), at(32, actDst))
		}
		w.zero(actSums + i)
		w.op("SDOT", actOnes, i, actSums+i)
	}
}
