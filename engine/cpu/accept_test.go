package cpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"orthrus/engine"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		name            string
		tokens, choices []int32
		first           int
		accepted        int
		next            int32
	}{
		{"no draft", []int32{5}, []int32{7}, 0, 0, 7},
		{"all", []int32{5, 1, 2, 3}, []int32{1, 2, 3, 4}, 0, 3, 4},
		{"none", []int32{5, 1, 2, 3}, []int32{9, 2, 3, 4}, 0, 0, 9},
		{"two, though the last agrees too", []int32{5, 1, 2, 3, 4}, []int32{1, 2, 9, 4, 6}, 0, 2, 9},
		{"behind a prompt", []int32{8, 8, 5, 1, 2}, []int32{0, 0, 1, 3, 4}, 2, 1, 3},
		{"a prompt alone", []int32{8, 8, 5}, []int32{0, 0, 6}, 2, 0, 6},
	} {
		ctx := &context{tokens: append(c.tokens, 0), choices: c.choices}
		if n, next := ctx.match(len(c.tokens), c.first); n != c.accepted || next != c.next {
			t.Errorf("%s: %d accepted, then %d; want %d, %d", c.name, n, next, c.accepted, c.next)
		}
	}
}

// matrix is a buffer of equally long rows.
func matrix(rows ...[]float32) *buffer {
	return &buffer{slices.Concat(rows...), len(rows), len(rows[0])}
}

// TestRejectExtremes: what is certain happens whatever the seed.
func TestRejectExtremes(t *testing.T) {
	const draft, choice = 2, 3 // the choice of the first row
	for _, c := range []struct {
		name     string
		p, q     []float32
		accepted int
		refused  []int32 // what may come in the draft's place
	}{
		{"equal", []float32{0.25, 0.25, 0.25, 0.25}, []float32{0.25, 0.25, 0.25, 0.25}, 1, nil},
		{"likelier", []float32{0.1, 0.2, 0.6, 0.1}, []float32{0.25, 0.25, 0.25, 0.25}, 1, nil},
		{"the draft impossible", []float32{0.5, 0.5, 0, 0}, []float32{0.25, 0.5, 0.25, 0}, 0, []int32{0}},
		{"nothing in common", []float32{0.5, 0.5, 0, 0}, []float32{0, 0, 1, 0}, 0, []int32{0, 1}},
		{"nothing left", []float32{0, 0, 0, 0.5}, []float32{0, 0, 0.5, 0.5}, 0, []int32{choice}},
	} {
		came := map[int32]int{}
		for seed := range uint64(200) {
			ctx := &context{tokens: []int32{0, draft, 0}, choices: []int32{choice, 1}, sampling: engine.Sampling{Seed: seed}}
			n, next := ctx.reject(2, 0, matrix(c.p, c.p), matrix(c.q))
			if n != c.accepted || n == 1 && next != 1 {
				t.Fatalf("%s, seed %d: %d accepted, then %d", c.name, seed, n, next)
			}
			came[next]++
		}
		for id := range came {
			if c.accepted == 0 && !slices.Contains(c.refused, id) || c.accepted == 0 && len(came) != len(c.refused) {
				t.Errorf("%s: %v came, want %v", c.name, came, c.refused)
			}
		}
	}
}

// TestReject holds blocks of drafts against the rule as it is written: accept
// with probability min(1, p/q), and of independent exponential times with the
// rates max(p-q, 0) take the earliest.
func TestReject(t *testing.T) {
	const vocab = 9
	rnd := rand.New(rand.NewPCG(1, 2))
	counts := map[int]int{}
	for round := range 5000 {
		rows, first, pos := 1+rnd.IntN(6), rnd.IntN(3), rnd.IntN(1000)
		ctx := &context{pos: pos, sampling: engine.Sampling{Seed: rnd.Uint64()}}
		var p, q [][]float32
		for range rows {
			p, q = append(p, someDistribution(rnd, vocab)), append(q, someDistribution(rnd, vocab))
		}
		for i := range first + rows {
			token := int32(rnd.IntN(vocab))
			if i > first {
				token = sample(q[i-first-1], rnd)
			}
			ctx.tokens = append(ctx.tokens, token)
			ctx.choices = append(ctx.choices, int32(rnd.IntN(vocab)))
		}
		want, next := rows-1, ctx.choices[first+rows-1]
		for i := range rows - 1 {
			draft, at := ctx.tokens[first+1+i], pos+first+1+i
			ratio := float64(p[i][draft]) / float64(q[i][draft])
			if engine.Uniform(ctx.sampling.Seed, at, 0, engine.StreamAccept) < min(1, ratio) {
				continue
			}
			want, next = i, ctx.choices[first+i]
			earliest := math.Inf(1)
			for id := range int32(vocab) {
				rate := float64(p[i][id]) - float64(q[i][id])
				if time := -math.Log(engine.Uniform(ctx.sampling.Seed, at, id, engine.StreamResidual)) / rate; rate > 0 && time < earliest {
					earliest, next = time, id
				}
			}
			break
		}
		n, token := ctx.reject(first+rows, first, matrix(p...), matrix(q...))
		if n != want || token != next {
			t.Fatalf("round %d: %d accepted, then %d; want %d, %d", round, n, token, want, next)
		}
		counts[n]++
	}
	if len(counts) != 6 {
		t.Errorf("accepted drafts: %v, want all numbers from 0 to 5", counts)
	}
}

// someDistribution gives some tokens no probability.
func someDistribution(rnd *rand.Rand, n int) []float32 {
	p, sum := make([]float32, n), float32(0)
	for i := range p {
		if rnd.IntN(3) > 0 || i == 0 {
			p[i] = rnd.Float32() + 0.01
			sum += p[i]
		}
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// sample draws from a distribution.
func sample(p []float32, rnd *rand.Rand) int32 {
	u := rnd.Float32()
	last := int32(0)
	for id, v := range p {
		if v > 0 {
			last = int32(id)
			if u -= v; u < 0 {
				break
			}
		}
	}
	return last
}

// TestRejectDistribution drafts from q as the draft pass does: with the noise of
// [filter.draw]. What comes out must be distributed as p, drafts must be
// accepted with probability sum(min(p, q)), and refused ones replaced from the
// residual; for many seeds, and for many positions of one seed.
func TestRejectDistribution(t *testing.T) {
	const n = 100_000
	logP := []float32{0.1, 1.4, -0.7, 0.3, -1.9, 0.9, -0.2, 0.6}
	logQ := []float32{0.8, 0.2, -0.3, 0.4, -0.9, -1.1, 1.3, 0.5}
	var f filter
	p, q := slices.Clone(logP), slices.Clone(logQ)
	for _, row := range [][]float32{p, q} {
		f.apply(slices.Clone(row), engine.Sampling{Temp: 1})
		f.probabilities(row)
	}
	var accept float64
	rest := make([]float64, len(p))
	for id := range p {
		accept += float64(min(p[id], q[id]))
		rest[id] = max(float64(p[id])-float64(q[id]), 0)
	}
	for id := range rest {
		rest[id] /= 1 - accept
	}
	for name, at := range map[string]func(i int) (seed uint64, pos int){
		"seeds":     func(i int) (uint64, int) { return uint64(i), 17 },
		"positions": func(i int) (uint64, int) { return 42, 3 * i },
	} {
		all, refused := make([]int, len(p)), make([]int, len(p))
		accepted := 0
		for i := range n {
			seed, pos := at(i)
			f.apply(logQ, engine.Sampling{Temp: 1})
			draft := f.draw(seed, pos+1)
			ctx := &context{pos: pos, tokens: []int32{0, draft}, choices: []int32{-1, -1}, sampling: engine.Sampling{Seed: seed}}
			if k, next := ctx.reject(2, 0, matrix(p, p), matrix(q)); k == 1 {
				accepted++
				all[draft]++
			} else {
				all[next]++
				refused[next]++
			}
		}
		want := make([]float64, len(p))
		for id := range p {
			want[id] = float64(p[id])
		}
		chiSquare(t, name+", all tokens", want, all)
		chiSquare(t, name+", after a refused draft", rest, refused)
		chiSquare(t, name+", acceptance", []float64{accept, 1 - accept}, []int{accepted, n - accepted})
	}
}

// chiSquare fails if the counts have a probability under 0.001 (Wilson and
// Hilferty's normal approximation).
func chiSquare(t *testing.T, what string, p []float64, counts []int) {
	t.Helper()
	n := 0
	for _, c := range counts {
		n += c
	}
	x, df := 0.0, -1.0
	for i, c := range counts {
		want := p[i] * float64(n)
		if want == 0 && c > 0 {
			t.Errorf("%s: %d came %d times, its probability is 0", what, i, c)
		}
		if want > 0 {
			x += (float64(c) - want) * (float64(c) - want) / want
			df++
		}
	}
	z := (math.Cbrt(x/df) - (1 - 2/(9*df))) / math.Sqrt(2/(9*df))
	t.Logf("%s: chi-square %.1f, %g degrees of freedom, %.2f standard deviations", what, x, df, z)
	if !(z < 3.09) {
		t.Errorf("%s: chi-square %.1f at %g degrees of freedom: p < 0.001", what, x, df)
	}
}
