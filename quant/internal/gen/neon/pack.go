package neon

// packKernels writes what brings the groups of two activation rows to the form that SMMLA multiplies: see
// pair32 and pair256.
func (w *writer) packKernels() {
	const d0, d1, t = v(0), v(1), v(2)
	w.packKernel("pack32", "*pair32", "*act32", func() {
		for h := range 2 { // 4 scales of each row
			w.op("FMOVQ", at(act32D-256+16*h, packA), d0)
			w.op("FMOVQ", at(act32D-256+16*h, packB), d1)
			w.s4("VZIP1", d1, d0, t)
			w.s4("VZIP2", d1, d0, t+2)
			w.d2("VZIP2", t, t, t+1)
			w.d2("VZIP1", t, t, t)
			w.d2("VZIP2", t+2, t+2, t+3)
			w.d2("VZIP1", t+2, t+2, t+2)
			w.op("FSTPQ.P", pair(t, t+1), at(32, packDst))
			w.op("FSTPQ.P", pair(t+2, t+3), at(32, packDst))
		}
	})
	w.packKernel("pack256", "*pair256", "*act256", func() {
		w.op("FMOVQ", at(actSum32-256, packA), v(0))
		w.op("FMOVQ", at(actSum32-256, packB), v(1))
		w.op("SSHR.H", 7, v(0), v(2))
		w.op("SSHR.H", 7, v(1), v(3))
		w.b16("VUZP1", v(3), v(2), v(4))
		w.b16("VUZP1", v(1), v(0), v(5))
		w.bytes(127, 6)
		w.b16("VAND", v(6), v(5), v(5))
		w.op("FSTPQ.P", pair(4, 5), at(32, packDst))
		w.op("FMOVS", at(act256D-256, packA), d0)
		w.op("FMOVS", at(act256D-256, packB), d1)
		w.s4("VZIP1", d1, d0, t)
		w.d2("VZIP1", t, t, t)
		w.op("FMOVQ.P", t, at(16, packDst))
	})
}

const (
	packDst = r(0)
	packA   = r(1)
	packB   = r(2)
)

// packKernel writes a kernel for n groups. It interleaves the values by eight; rest does what follows them.
func (w *writer) packKernel(name, dst, src string, rest func()) {
	load := w.fn(name, []param{{"dst", dst}, {"a", src}, {"b", src}, {"n", "int"}}, "")
	load("dst", packDst)
	load("a", packA)
	load("b", packB)
	load("n", r(3))
	w.loop(3, func() {
		w.op("MOVD", 8, r(4))
		w.loop(4, func() {
			w.op("FLDPQ.P", at(32, packA), pair(0, 1))
			w.op("FLDPQ.P", at(32, packB), pair(2, 3))
			w.d2("VZIP1", v(2), v(0), v(4))
			w.d2("VZIP2", v(2), v(0), v(5))
			w.d2("VZIP1", v(3), v(1), v(6))
			w.d2("VZIP2", v(3), v(1), v(7))
			w.op("FSTPQ.P", pair(4, 5), at(32, packDst))
			w.op("FSTPQ.P", pair(6, 7), at(32, packDst))
		})
		rest()
		w.op("ADD", 64, packA)
		w.op("ADD", 64, packB)
	})
	w.ret()
}
