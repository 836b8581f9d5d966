//go:build gpu

package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// perLaunch gives the microseconds of do, of which a graph has as many as take a millisecond or more. The median of some runs.
func perLaunch(b testing.TB, d device, do func(i int) error) float64 {
	b.Helper()
	check := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	for count := 36; ; count *= 2 {
		g, err := d.record(func() error {
			for i := range count {
				if err := do(i); err != nil {
					return err
				}
			}
			return nil
		})
		check(err)
		var times []float64
		for i := range 9 {
			check(d.wait())
			start := time.Now()
			check(d.run(g))
			check(d.wait())
			if i > 1 {
				times = append(times, time.Since(start).Seconds())
			}
		}
		g.release()
		slices.Sort(times)
		if took := times[len(times)/2]; took > 1.5e-3 || count > 2000 {
			return took * 1e6 / float64(count)
		}
	}
}

// attentionBench is a state whose layers are full of the same rows, and what frees it.
func attentionBench(b *testing.B, d device, g engine.Geometry, positions int) (s *state, release func()) {
	b.Helper()
	g.HeadDim, g.Eps, g.Rope = 128, 1e-6, engine.NewRope(1e6, 128)
	row, _ := g.Cache.RowBytes(g.HeadDim)
	layer := 2 * g.KVHeads * positions * row
	g.Layers = max(2, min(36, 300<<20/layer)) // more than caches hold
	bytes, pinned := stateBytes(g)
	_, p, err := d.pin(int(pinned))
	if err != nil {
		b.Fatal(err)
	}
	memory, err := d.alloc(bytes)
	if err != nil {
		b.Fatal(err)
	}
	if s, err = newState(d, g, memory, p); err != nil {
		b.Fatal(err)
	}
	few := make([]byte, 1024*row)
	quant.Quantize(g.Cache, few, randomFloats(rand.New(rand.NewPCG(1, 2)), 1024*g.HeadDim))
	rows := slices.Repeat(few, layer/len(few)+1)[:layer]
	for i := range g.Layers {
		if err := restoreKV(d, s, rows, i, positions); err != nil {
			b.Fatal(err)
		}
	}
	return s, func() { d.free(memory); d.unpin(p) }
}

// prepare makes the queries of rows at a position.
func (s *state) prepare(b *testing.B, d device, pos, rows int, block bool) matrix {
	rnd := rand.New(rand.NewPCG(3, 4))
	q, kv := s.Heads*s.HeadDim, s.KVHeads*s.HeadDim
	random := func(rows, cols int) matrix { return matrix{put(b, d, randomFloats(rnd, rows*cols)), rows, cols} }
	w := random(1, s.HeadDim).at
	for _, err := range []error{
		seek(d, s.control, pos, nil), rotations(d, s, rows),
		heads(d, s, 0, random(rows, q), random(rows, kv), random(rows, kv), w, w, !block),
	} {
		if err != nil {
			b.Fatal(err)
		}
	}
	return matrix{room[float32](b, d, rows*q), rows, q}
}

var attentionShapes = []struct {
	name           string
	heads, kvHeads int
}{{"8B", 32, 8}, {"1.7B", 16, 8}}

// BenchmarkAttention prints microseconds of a layer's attention and the share of a copy's bandwidth at which it reads the cache,
// then the forms that a block can have.
func BenchmarkAttention(b *testing.B) {
	d := testDevice(b)
	bandwidth := newProductBench(b).copy
	fmt.Printf("copy: %.0f GB/s\n", bandwidth/1e9)
	rows := []int{1, 2, 4, 8, 16, 32, 64, 256}
	for _, shape := range attentionShapes {
		for _, t := range []gguf.Type{gguf.F16, gguf.Q8_0} {
			for _, context := range []int{512, 2048, 4096, 8192, 16384, 32768, 131072 - 256} {
				g := engine.Geometry{Heads: shape.heads, KVHeads: shape.kvHeads, Cache: t, Rows: 256, Context: context + 256}
				s, release := attentionBench(b, d, g, context)
				size := 2 * float64(context) * float64(s.KVHeads) * float64(s.cache.rowBytes)
				fmt.Printf("%-5s %-5v %6d floor %6.1f us ", shape.name, t, context, size/bandwidth*1e6)
				took := map[int]float64{}
				for _, n := range rows {
					dst := s.prepare(b, d, context, n, true)
					took[n] = perLaunch(b, d, func(i int) error { return attend(d, s, i%s.Layers, dst, acts{}, true, span{}) })
					fmt.Printf(" %d:%7.1f %3.0f%%", n, took[n], 100*size/bandwidth/took[n]*1e6)
				}
				fmt.Printf("  T(8) %.2f T(32) %.2f\n", took[8]/took[1], took[32]/took[1])
				release()
			}
		}
	}
}

// BenchmarkAttentionForms compares the forms of a block.
func BenchmarkAttentionForms(b *testing.B) {
	d := testDevice(b)
	for _, t := range []gguf.Type{gguf.F16, gguf.Q8_0} {
		for _, context := range []int{512, 4096, 16384} {
			s, release := attentionBench(b, d, engine.Geometry{Heads: 32, KVHeads: 8, Cache: t, Rows: 256, Context: context + 256}, context)
			for _, n := range []int{1, 4, 8, 16, 32, 64, 256} {
				dst := s.prepare(b, d, context, n, false)
				fmt.Printf("%-5v %6d n=%-3d", t, context, n)
				for tiles := 1; tiles == 1 || tiles == 2 && t == gguf.Q8_0; tiles++ {
					name := map[gguf.Type]string{gguf.F16: "attend_f16_128_", gguf.Q8_0: "attend_q8_128_"}[t]
					chosen := attendForm{fmt.Sprint(name, tiles), 16 * tiles * attendWarps}
					took := perLaunch(b, d, func(i int) error {
						return attendBy(func(int) attendForm { return chosen }, d, s, i%s.Layers, dst, acts{}, false, span{})
					})
					mark := ' '
					if chosen == s.attendForm(min(n, s.rowsAtOnce)*s.group()) {
						mark = '*'
					}
					fmt.Printf("  %d tiles %7.1f%c", tiles, took, mark)
				}
				fmt.Println(" us")
			}
			release()
		}
	}
}

// BenchmarkAttentionSplits compares ways to cut a row's keys.
func BenchmarkAttentionSplits(b *testing.B) {
	d := testDevice(b)
	ways := []splits{{few: 16, least: 256, most: 33}, {few: 32, least: 256, most: 33}, {few: 16, least: 512, most: 33}, {few: 16, least: 256, most: 66}}
	defer func(c splits) { cut = c }(cut)
	for _, context := range []int{256, 512, 1024, 2048, 4096, 8192, 16384, 17000, 20000, 32768} {
		for _, cut = range ways {
			s, release := attentionBench(b, d, engine.Geometry{Heads: 32, KVHeads: 8, Cache: gguf.F16, Rows: 256, Context: context + 256}, context)
			fmt.Printf("%6d  splits few %2d least %3d most %2d  us:", context, cut.few, cut.least, cut.most)
			for _, n := range []int{1, 8, 32, 256} {
				dst := s.prepare(b, d, context, n, false)
				took := perLaunch(b, d, func(i int) error { return attend(d, s, i%s.Layers, dst, acts{}, false, span{}) })
				fmt.Printf("  n=%d %7.1f", n, took)
			}
			fmt.Println()
			release()
		}
	}
}

// BenchmarkSmall prints microseconds of the small operations in a graph, and of the heads of prompts by either kernel.
func BenchmarkSmall(b *testing.B) {
	d := testDevice(b)
	rnd := rand.New(rand.NewPCG(5, 6))
	const hidden, ff, vocab, most = 4096, 12288, 151936, 32
	s, release := attentionBench(b, d, engine.Geometry{Heads: 32, KVHeads: 8, Cache: gguf.F16, Rows: most, Context: 1024}, 512)
	defer release()
	x, w := put(b, d, randomFloats(rnd, most*ff)), put(b, d, randomFloats(rnd, ff))
	y, kept := room[float32](b, d, most*ff), room[byte](b, d, int(actBytes(quant.Form256, most, ff)))
	logits := randomFloats(rnd, most*vocab)
	for i := range logits {
		logits[i] *= 3
	}
	row := put(b, d, logits)
	q := func(rows, cols int) acts { return acts{quant.Form256, kept, rows, cols} }
	for _, n := range []int{1, 8, 32} {
		show := func(name string, do func() error) {
			fmt.Printf("  %s %.2f", name, perLaunch(b, d, func(int) error { return do() }))
		}
		fmt.Printf("n=%-2d us:", n)
		show("norm", func() error { return norm(d, matrix{}, q(n, hidden), matrix{x, n, hidden}, w, 1e-6, span{}) })
		show("gate", func() error {
			return gate(d, matrix{}, q(n, ff), matrix{x, n, ff}, matrix{y, n, ff}, span{})
		})
		show("heads", func() error {
			return heads(d, s, 0, matrix{x, n, 4096}, matrix{y, n, 1024}, matrix{y, n, 1024}, w, w, true)
		})
		show("rotations", func() error { return rotations(d, s, n) })
		show("mask", func() error { return mask(d, s.control, n, 1) })
		show("draft", func() error { return draft(d, s.control, max(n-1, 0)) })
		show("accept", func() error { return accept(d, s.control, n, 0, matrix{}, matrix{}) })
		m := matrix{row, n, vocab}
		for _, o := range []struct {
			name  string
			s     engine.Sampling
			draft bool
		}{
			{"greedy", engine.Sampling{}, false}, {"greedy-draft", engine.Sampling{}, true},
			{"top-k", engine.Sampling{Temp: 0.6, TopK: 20, TopP: 0.95}, true},
			{"top-p", engine.Sampling{Temp: 0.6, TopP: 0.95}, true},
			{"top-p-flat", engine.Sampling{Temp: 3, TopP: 0.95}, true},
			{"all", engine.Sampling{Temp: 1}, true},
		} {
			if err := sample(d, s.control, o.s); err != nil {
				b.Fatal(err)
			}
			show(o.name, func() error { return choose(d, s.control, m, 0, o.draft, false) })
		}
		fmt.Println()
	}
	defer func(n int) { manyHeads = n }(manyHeads)
	for _, c := range []struct {
		t    gguf.Type
		many int
	}{{gguf.F16, math.MaxInt}, {gguf.F16, 1}, {gguf.Q8_0, math.MaxInt}} {
		const most = 1024
		s, release := attentionBench(b, d, engine.Geometry{Heads: 32, KVHeads: 8, Cache: c.t, Rows: most, Context: most}, most)
		q, kv := put(b, d, randomFloats(rnd, most*4096)), put(b, d, randomFloats(rnd, most*1024))
		manyHeads = c.many
		fmt.Printf("heads, %v, eight rows at a time %v, us:", c.t, c.many == 1)
		for _, n := range []int{128, 256, most} {
			for _, err := range []error{seek(d, s.control, 0, nil), rotations(d, s, n)} {
				if err != nil {
					b.Fatal(err)
				}
			}
			fmt.Printf("  n=%d %.2f", n, perLaunch(b, d, func(int) error {
				return heads(d, s, 0, matrix{q, n, 4096}, matrix{kv, n, 1024}, matrix{kv, n, 1024}, w, w, true)
			}))
		}
		fmt.Println()
		release()
	}
}
