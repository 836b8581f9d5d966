package cpu_test

import (
	"fmt"
	"testing"

	"orthrus/convert"
	"orthrus/engine"
	"orthrus/engine/cpu"
	"orthrus/gguf"
)

// BenchmarkPass is a pass of the AR view of the 1.7B shape, q4_k_m with random weights, all of its rows with logits.
// With -cpuprofile it tells where the time goes.
func BenchmarkPass(b *testing.B) {
	const headDim = 128
	c := engine.Config{
		Arch: "orthrus", Layers: 28, Hidden: 2048, Heads: 16, KVHeads: 8, HeadDim: headDim, FF: 6144,
		Vocab: 151936, Context: 40960, Eps: 1e-6, Rope: engine.NewRope(1e6, headDim), BlockSize: 32, MaskToken: 151669,
	}
	types, err := convert.Plan("q4_k_m", "", c.Layers, true)
	if err != nil {
		b.Fatal(err)
	}
	m, err := engine.Random(c, true, types)
	if err != nil {
		b.Fatal(err)
	}
	backend := cpu.New(0)
	defer backend.Close()
	n, err := engine.Place(m, backend, nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, t := range []gguf.Type{gguf.F16, gguf.Q8_0} {
		for _, depth := range []int{0, 16384} {
			d, err := engine.NewDecoder(n, engine.DecoderOptions{Context: depth + c.BlockSize, Cache: t})
			if err != nil {
				b.Fatal(err)
			}
			for _, rows := range []int{1, 8, 32} {
				b.Run(fmt.Sprintf("%v/depth=%d/rows=%d", t, depth, rows), func(b *testing.B) {
					if _, err := d.TimePass(engine.AR, depth, rows); err != nil { // fills the cache
						b.Fatal(err)
					}
					for b.Loop() {
						d.TimePass(engine.AR, depth, rows)
					}
				})
			}
			d.Close()
		}
	}
}
