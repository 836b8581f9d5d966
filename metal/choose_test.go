//go:build (emulator && linux) || (gpu && darwin)

package metal

import (
	"math"
	"slices"
	"testing"

	"orthrus/engine"
)

// distribution is what engine.Sampling makes of logits, in float64: probabilities, and the keys whose largest is chosen.
func distribution(logits []float32, s engine.Sampling, position int) (p, keys []float64) {
	ids := make([]int, len(logits))
	for i := range ids {
		ids[i] = i
	}
	number := func(i int) float64 {
		l := float64(logits[i])
		if !(l > -math.MaxFloat32) {
			return -math.MaxFloat32
		}
		return min(l, math.MaxFloat32)
	}
	slices.SortStableFunc(ids, func(a, b int) int {
		switch {
		case number(a) > number(b):
			return -1
		case number(a) < number(b):
			return 1
		}
		return 0
	})
	peak := number(ids[0])
	if s.TopK > 0 && s.TopK < len(ids) {
		ids = ids[:s.TopK]
	}
	weight := func(i int) float64 { return math.Exp((number(i) - peak) / s.Temp) }
	total, part := 0.0, 0.0
	for _, i := range ids {
		total += weight(i)
	}
	if s.TopP > 0 && s.TopP < 1 {
		for n, i := range ids {
			if part += weight(i); part >= s.TopP*total {
				ids = ids[:n+1]
				break
			}
		}
	}
	ids = slices.DeleteFunc(ids, func(i int) bool { return weight(i) < s.MinP })
	total = 0
	for _, i := range ids {
		total += weight(i)
	}
	p, keys = make([]float64, len(logits)), make([]float64, len(logits))
	for i := range keys {
		keys[i] = math.Inf(-1)
	}
	for _, i := range ids {
		p[i] = weight(i) / total
		keys[i] = (number(i)-peak)/s.Temp + engine.Gumbel(s.Seed, position, int32(i), engine.StreamChoice)
	}
	return p, keys
}

func (b *bench) control(rows int) control {
	return control{b.memory(controlBytes(rows)), rows}
}

// TestChoose holds choices, chances and kept probabilities against float64.
func TestChoose(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	special := [][]float32{
		{nan, nan, nan}, {-inf, -inf}, {nan, -inf, 3, 3, -inf}, {0, inf, 1, inf}, {5}, {-1e38, 3e38, -3e38}, {1, 1, 1, 1, 1, 1, 1},
		{float32(math.Copysign(0, -1)), 0, -1},
	}
	options := []engine.Sampling{
		{}, {Temp: 1, Seed: 7}, {Temp: 0.6, TopK: 20, TopP: 0.95, Seed: 1 << 60}, {Temp: 2, TopP: 0.5}, {Temp: 1, MinP: 0.1, Seed: 3},
		{Temp: 0.7, TopK: 3}, {Temp: 1e-40}, {Temp: 1.5, TopK: 50, TopP: 0.9, MinP: 0.05, Seed: 5},
	}
	b := newBench(t, 4)
	const first, position = 2, 70
	for i, s := range options {
		for n := range len(special) + 3 {
			rows, vocab := 1, 1+b.random.IntN(1500)
			var logits []float32
			if n < len(special) {
				logits, vocab = slices.Clone(special[n]), len(special[n])
			} else {
				rows = 2
				for range rows * vocab {
					logits = append(logits, float32(math.Round(8*b.random.NormFloat64())/4)) // with ties
				}
			}
			c, m := b.control(rows+first), b.matrix(rows, vocab, logits)
			b.run(func(l *list) {
				sample(l, c, s)
				seek(l, c, position, nil)
				choose(l, c, m, first, true, true)
				draft(l, c, first+rows)
			})
			got, out := b.read(m), c.outcome()
			tokens := int32sOf(c.memory.bytes()[c.tokens().offset:])
			for r := range rows {
				row, chosen := logits[r*vocab:][:vocab], tokens[first+r+1]
				if s.Greedy() {
					want := 0
					for j, v := range row {
						if v > row[want] || row[want] != row[want] && v > -inf {
							want = j
						}
					}
					if int(chosen) != want {
						t.Fatalf("logits %d: chose %d, want %d", n, chosen, want)
					}
					continue
				}
				wide := s
				wide.Temp = max(s.Temp, leastTemperature)
				p, keys := distribution(row, wide, position+first+r+1)
				best := slices.Max(keys)
				if !(keys[chosen] >= best-1e-4*max(1, math.Abs(best))) {
					t.Fatalf("options %d, logits %d: chose %d of key %g, the best is %g", i, n, chosen, keys[chosen], best)
				}
				for j, v := range got[r*vocab:][:vocab] {
					if !(math.Abs(float64(v)-p[j]) < 1e-5) {
						t.Fatalf("options %d, logits %d, token %d: probability %g, want %g", i, n, j, v, p[j])
					}
				}
				if chance := float64(out.Chances[first+r]); math.Abs(chance-slices.Max(p)) > 1e-5 {
					t.Fatalf("options %d, logits %d: chance %g, want %g", i, n, chance, slices.Max(p))
				}
			}
		}
	}
}

// TestGreedyChance holds a greedy draft's chance against softmax.
func TestGreedyChance(t *testing.T) {
	b := newBench(t, 5)
	logits := b.numbersOf(5000)
	sum := 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l - slices.Max(logits)))
	}
	c := b.control(1)
	b.run(func(l *list) {
		choose(l, c, b.matrix(1, len(logits), logits), 0, true, false)
		draft(l, c, 1)
	})
	if got := float64(c.outcome().Chances[0]); math.Abs(got*sum-1) > 1e-5 {
		t.Errorf("%g, want %g", got, 1/sum)
	}
}

// TestAccept accepts drafts by both rules.
func TestAccept(t *testing.T) {
	const rows, first, vocab, position = 6, 1, 300, 40
	for seed := range 40 {
		b := newBench(t, uint64(seed))
		c, s := b.control(rows), engine.Sampling{Temp: 1, Seed: uint64(seed) << 40}
		tokens, choices := make([]int32, rows), make([]int32, rows)
		p, q := make([]float32, (rows-first)*vocab), make([]float32, (rows-first)*vocab)
		for r := range rows - first {
			for i := range 20 { // a few tokens each, many of them the same
				p[r*vocab+b.random.IntN(40)*(i%7)] += 0.05
				q[r*vocab+b.random.IntN(40)*(i%7)] += 0.05
			}
		}
		for i := range tokens {
			tokens[i], choices[i] = int32(b.random.IntN(vocab)), int32(b.random.IntN(vocab))
			if i > first && b.random.IntN(4) > 0 {
				tokens[i] = choices[i-1]
			}
		}
		copy(int32sOf(c.memory.bytes()[c.choices().offset:]), choices)
		var pm, qm matrix
		n := 0
		next := func() int32 { return choices[first+n] }
		refused := func() bool { return tokens[first+n+1] != choices[first+n] }
		if seed%2 == 1 {
			pm, qm = b.matrix(rows-first, vocab, p), b.matrix(rows-first, vocab, q)
			at := func() int { return position + first + n + 1 }
			refused = func() bool {
				d := n*vocab + int(tokens[first+n+1])
				return engine.Uniform(s.Seed, at(), 0, engine.StreamAccept)*float64(q[d]) >= float64(p[d])
			}
			next = func() int32 {
				best, token := math.Inf(-1), choices[first+n]
				for i := range vocab {
					if d := float64(p[n*vocab+i]) - float64(q[n*vocab+i]); first+n+1 < rows && d > 1e-7 {
						if key := math.Log(d) + engine.Gumbel(s.Seed, at(), int32(i), engine.StreamResidual); key > best {
							best, token = key, int32(i)
						}
					}
				}
				return token
			}
		}
		for first+n+1 < rows && !refused() {
			n++
		}
		want := append(slices.Clone(tokens[first+1:first+1+n]), next())
		b.run(func(l *list) {
			sample(l, c, s)
			seek(l, c, position, tokens)
			accept(l, c, rows, first, pm, qm)
		})
		if got := c.outcome().Tokens; !slices.Equal(got, want) {
			t.Fatalf("seed %d: %v, want %v", seed, got, want)
		}
		if at := int(c.read().position); at != position+first+len(want) {
			t.Errorf("seed %d: position %d after %d tokens", seed, at, len(want))
		}
		if now := int32sOf(c.memory.bytes()[c.tokens().offset:])[0]; now != want[n] {
			t.Errorf("seed %d: the next token is %d, not %d", seed, now, want[n])
		}
	}
}

// TestControl writes more tokens than one dispatch carries, and masks.
func TestControl(t *testing.T) {
	b := newBench(t, 1)
	const rows = 2*seekTokens + 5
	c, tokens := b.control(rows), make([]int32, rows)
	for i := range tokens {
		tokens[i] = int32(i * i)
	}
	b.run(func(l *list) { seek(l, c, 9, tokens) })
	if got := int32sOf(c.memory.bytes()[c.tokens().offset:])[:rows]; !slices.Equal(got, tokens) || c.read().position != 9 {
		t.Errorf("position %d, tokens %v", c.read().position, got)
	}
	b.run(func(l *list) { mask(l, c, 40, -5) })
	for i, v := range int32sOf(c.memory.bytes()[c.tokens().offset:])[:rows] {
		if masked := i > 0 && i < 40; masked && v != -5 || !masked && v != tokens[i] {
			t.Fatalf("token %d is %d", i, v)
		}
	}
}
