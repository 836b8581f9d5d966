package engine_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// TestSeeds: with the default acceptance a seed gives the same tokens in every
// mode, on the demo and on a tiny model whose drafts are bad.
func TestSeeds(t *testing.T) {
	const seeds, tokens = 200, 12
	real, random := golden.Model(t, "q4_0"), tiny(t, gguf.F32, 2)
	for _, c := range []struct {
		name  string
		model *engine.Model
		scale float64 // random logits are small: lower temperatures fit them
		// blocks are all tried for every seed, or one after the other.
		blocks []int
		all    bool
		prompt []int32
	}{
		{"demo", real, 1, []int{2, 7, 16, 32}, false, golden.Cases(t)[0].IDs},
		{"tiny", random, 0.5, []int{1, 2, 3, 5, 8}, true, []int32{1, 2, 3}},
	} {
		o := engine.DecoderOptions{Context: 128, Cache: gguf.F16}
		ar, draft := newDecoder(t, c.model, 1, o), newDecoder(t, c.model, 2, o)
		for _, temp := range []float64{0.6, 1.0, 1.5} {
			accepted := 0
			for seed := range seeds {
				s := engine.Sampling{Temp: temp * c.scale, TopK: 20, TopP: 0.95, Seed: uint64(seed)}
				if seed%4 == 0 {
					s.TopK, s.TopP = 0, 0
				}
				want, _ := golden.Generate(t, ar, c.prompt, engine.GenerateOptions{Mode: engine.ARMode, MaxTokens: tokens, Sampling: s})
				blocks := c.blocks
				if !c.all {
					blocks = blocks[seed%len(blocks):][:1]
				}
				mode := engine.DraftMode
				if seed%5 == 1 {
					mode = engine.Auto
				}
				for _, block := range blocks {
					got, stats := golden.Generate(t, draft, c.prompt, engine.GenerateOptions{Mode: mode, Block: block, MaxTokens: tokens, Sampling: s})
					if !slices.Equal(got, want) {
						t.Fatalf("%s, temperature %g, seed %d, block %d: %v, AR mode gives %v", c.name, temp, seed, block, got, want)
					}
					for _, n := range stats.Accepted {
						accepted += n
					}
				}
			}
			if accepted == 0 {
				t.Errorf("%s, temperature %g: no draft was ever accepted", c.name, temp)
			}
		}
	}
}

// TestDistribution counts the second and third tokens of 20,000 seeds in
// draft-and-verify mode (the first comes from the prompt's own pass, the second
// from a draft, the third from a draft or a refused one's place) and holds them,
// as pairs, against the exact probabilities of the AR view.
func TestDistribution(t *testing.T) {
	const seeds = 20_000
	prompt := []int32{1, 2, 3}
	for _, typ := range []gguf.Type{gguf.Q8_0} {
		m := tiny(t, typ, 1)
		for _, filter := range []engine.Sampling{{Temp: 0.4}, {Temp: 0.5, TopK: 8, TopP: 0.9}} {
			want := exact(t, m, prompt, filter, 3)
			for _, c := range []struct {
				name string
				kind engine.Acceptance
				mode engine.Mode
			}{{"match", engine.Match, engine.DraftMode}, {"rejection", engine.Rejection, engine.DraftMode}, {"rejection, auto", engine.Rejection, engine.Auto}} {
				d := newDecoder(t, m, 1, engine.DecoderOptions{Context: 16, Cache: gguf.F32})
				first, second := map[[3]int32]int{}, map[[3]int32]int{}
				accepted := 0
				verified := map[int]bool{}
				for seed := range seeds {
					s := filter
					s.Seed, s.Acceptance = uint64(seed), c.kind
					// Verifying costs so much that it depends on the drafts how many are.
					d.PlanAnew(1e-5, 0.1e-5+float64(seed%5)*2e-5)
					ids, stats := golden.Generate(t, d, prompt, engine.GenerateOptions{Mode: c.mode, Block: 4, MaxTokens: 4, Sampling: s})
					verified[stats.Verified] = true
					first[[3]int32{ids[0], ids[1], -1}]++
					second[[3]int32{-1, ids[1], ids[2]}]++
					accepted += stats.Accepted[0]
				}
				what := fmt.Sprintf("%s, %+v, %s", typ, filter, c.name)
				chiSquare(t, what+", tokens 1 and 2", marginal(want, 2), first, seeds)
				chiSquare(t, what+", tokens 2 and 3", marginal(want, 0), second, seeds)
				t.Logf("%s: %.3f of 2 drafts accepted in the first step", what, float64(accepted)/seeds)
				if c.mode == engine.Auto && len(verified) < 2 {
					t.Errorf("%s: always verified the same number of drafts", what)
				}
				if accepted == 0 || accepted == 2*seeds {
					t.Errorf("%s: %d drafts accepted, the test needs both outcomes", what, accepted)
				}
			}
		}
	}
}

// TestDemoDistribution holds the first two tokens of 20,000 seeds, the second
// from a draft, against the exact probabilities on the demo model, in the middle
// of an answer where much is possible.
func TestDemoDistribution(t *testing.T) {
	const seeds = 20_000
	m, g := golden.Model(t, "q4_k_m"), golden.Cases(t)[63]
	prompt := slices.Concat(g.IDs, g.AR)[:79]
	filter := engine.Sampling{Temp: 1, TopK: 20, TopP: 0.95}
	want := exact(t, m, prompt, filter, 2)
	for name, kind := range map[string]engine.Acceptance{"match": engine.Match, "rejection": engine.Rejection} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDecoder(t, m, 1, engine.DecoderOptions{Context: len(prompt) + 3, Cache: gguf.F32})
			counts := map[[3]int32]int{}
			accepted := 0
			for seed := range seeds {
				s := filter
				s.Seed, s.Acceptance = uint64(seed), kind
				ids := make([]int32, 0, 2)
				stats, err := d.Generate(context.Background(), prompt, engine.GenerateOptions{Mode: engine.DraftMode, Block: 2, Sampling: s, IgnoreEOG: true}, func(id int32) bool {
					ids = append(ids, id)
					return len(ids) < 2
				})
				if err != nil {
					t.Fatal(err)
				}
				counts[[3]int32{ids[0], ids[1], -1}]++
				accepted += stats.Accepted[0]
			}
			chiSquare(t, name, want, counts, seeds)
			if accepted < seeds/10 || accepted > seeds*9/10 {
				t.Errorf("%d of %d drafts accepted, the test needs both outcomes", accepted, seeds)
			}
		})
	}
}

// exact are the exact probabilities of the first n tokens, of 3 at most; the
// places of further ones hold -1.
func exact(t *testing.T, m *engine.Model, prompt []int32, s engine.Sampling, n int) map[[3]int32]float64 {
	t.Helper()
	d := newDecoder(t, m, 1, engine.DecoderOptions{Context: len(prompt) + n, Cache: gguf.F32})
	last := len(prompt) - 1
	if _, err := d.Eval(engine.AR, 0, prompt[:last]); err != nil {
		t.Fatal(err)
	}
	all := map[[3]int32]float64{}
	var follow func(depth int, text [3]int32, token int32, p float64)
	follow = func(depth int, text [3]int32, token int32, p float64) {
		if depth == n {
			all[text] = p
			return
		}
		rows, err := d.Eval(engine.AR, last+depth, []int32{token})
		if err != nil {
			t.Fatal(err)
		}
		for next, q := range distribution(rows[0], s) {
			text[depth] = next
			follow(depth+1, text, next, p*q)
		}
	}
	follow(0, [3]int32{-1, -1, -1}, prompt[last], 1)
	return all
}

// distribution filters a row by the textbook: sort, cut, normalize.
func distribution(logits []float32, s engine.Sampling) map[int32]float64 {
	ids := make([]int32, len(logits))
	for i := range ids {
		ids[i] = int32(i)
	}
	slices.SortStableFunc(ids, func(a, b int32) int {
		switch {
		case logits[a] > logits[b]:
			return -1
		case logits[a] < logits[b]:
			return 1
		}
		return 0
	})
	if s.TopK > 0 {
		ids = ids[:s.TopK]
	}
	normalize := func() map[int32]float64 {
		p, sum := map[int32]float64{}, 0.0
		for _, id := range ids {
			p[id] = math.Exp(float64(logits[id]-logits[ids[0]]) / s.Temp)
			sum += p[id]
		}
		for id := range p {
			p[id] /= sum
		}
		return p
	}
	p := normalize()
	if s.TopP > 0 {
		part := 0.0
		for i, id := range ids {
			if part += p[id]; part >= s.TopP {
				ids = ids[:i+1]
				break
			}
		}
	}
	return normalize()
}

// marginal sums over the token at one place.
func marginal(p map[[3]int32]float64, place int) map[[3]int32]float64 {
	out := map[[3]int32]float64{}
	for k, v := range p {
		k[place] = -1
		out[k] += v
	}
	return out
}

// chiSquare fails if the counts have a probability under 0.001 (Wilson and
// Hilferty's normal approximation). Outcomes expected fewer than 5 times are one.
func chiSquare(t *testing.T, what string, p map[[3]int32]float64, counts map[[3]int32]int, n int) {
	t.Helper()
	var x, rareWant float64
	rareGot, groups := n, 0
	for k, v := range p {
		if want := v * float64(n); want >= 5 {
			x += (float64(counts[k]) - want) * (float64(counts[k]) - want) / want
			rareGot -= counts[k]
			groups++
		} else {
			rareWant += want
		}
	}
	for k, c := range counts {
		if p[k] == 0 {
			t.Fatalf("%s: %v came %d times, its probability is 0", what, k, c)
		}
	}
	if rareWant >= 5 {
		x += (float64(rareGot) - rareWant) * (float64(rareGot) - rareWant) / rareWant
		groups++
	}
	df := float64(groups - 1)
	z := (math.Cbrt(x/df) - (1 - 2/(9*df))) / math.Sqrt(2/(9*df))
	t.Logf("%s: chi-square %.1f, %g degrees of freedom, %.2f standard deviations", what, x, df, z)
	if !(z < 3.09) {
		t.Errorf("%s: chi-square %.1f at %g degrees of freedom: p < 0.001", what, x, df)
	}
}
