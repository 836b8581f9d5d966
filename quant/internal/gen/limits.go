package main

// limitKernels writes what measures the machine's limits.
func (w *writer) limitKernels() {
	if !w.extends() {
		w.read()
	}
	w.multiply()
}

// read reads n bytes, a positive multiple of 1024. What the processor fetches ahead by itself did better than prefetches.
func (w *writer) read() {
	load := w.fn("read", []param{{"p", "*byte"}, {"n", "int"}}, "")
	load("p", "SI")
	load("n", "CX")
	w.op("SHRQ", 10, "CX")
	w.loop("CX", func() {
		for i := range 1024 / w.bytes() {
			w.op("VPOR", mem(i*w.bytes(), "(SI)"), vec(i%8), vec(i%8))
		}
		w.op("ADDQ", 1024, "SI")
	})
	w.ret()
}

// multiply does n rounds of int8 multiply-adds, 8 independent vectors of dot products in each, by the instructions
// that the product kernels use.
func (w *writer) multiply() {
	load := w.fn("multiply", []param{{"n", "int"}}, "")
	load("n", "CX")
	for i := range vec(16) {
		w.op("VPXOR", i, i, i)
	}
	w.loop("CX", func() {
		for i := range vec(8) {
			if w.vnni {
				w.op("VPDPBUSD", vec(14), vec(15), i)
				continue
			}
			w.op("VPMADDUBSW", vec(14), vec(15), vec(8)+i%4)
			w.op("VPMADDWD", vec(13), vec(8)+i%4, vec(8)+i%4)
			w.op("VPADDD", vec(8)+i%4, i, i)
		}
	})
	w.ret()
}
