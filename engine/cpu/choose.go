package cpu

import (
	"math"
	"slices"

	"orthrus/engine"
	"orthrus/quant"
)

func (r *recorder) Choose(logits engine.Buffer, first int, draft, keep bool) {
	c, l := r.context, logits.(*buffer)
	r.add(func() {
		c.pool.run(l.rows, func(thread, i int) {
			row, f := l.row(i), &c.workers[thread].filter
			if c.sampling.Greedy() {
				best := quant.ArgMax(row)
				c.choices[first+i] = int32(best)
				if draft { // what softmax gives it
					c.chances[first+i] = 1 / quant.SumExp(row, row[best])
				}
			} else {
				f.apply(row, c.sampling)
				c.choices[first+i] = f.draw(c.sampling.Seed, c.pos+first+i+1)
				if draft {
					c.chances[first+i] = f.likeliest()
				}
				if keep {
					f.probabilities(row)
				}
			}
		})
	})
}

// filter is the set of tokens that sampling may take, a thread's scratch memory.
type filter struct {
	set []candidate
	w   []float64 // exp of the candidates' scaled logits
}

// candidate is a token and its logit; after scaling, (logit - max) / temperature.
type candidate struct {
	logit float64
	id    int32
}

// apply fills the set from a row of logits: temperature, top-k, top-p, min-p.
// Where tokens are equally likely, lower ids go first.
func (f *filter) apply(logits []float32, s engine.Sampling) {
	f.set = f.set[:0]
	if s.TopK > 0 && s.TopK < len(logits) {
		f.top(logits, s.TopK)
	} else {
		for id, l := range logits {
			f.set = append(f.set, candidate{number(l), int32(id)})
		}
	}
	sorted := s.TopP > 0 && s.TopP < 1
	if sorted {
		slices.SortFunc(f.set, before)
	}
	peak := math.Inf(-1)
	for _, c := range f.set {
		peak = max(peak, c.logit)
	}
	var sum float64
	f.w = f.w[:0]
	for i := range f.set {
		c := &f.set[i]
		// Large but finite logits must not turn into NaN by Inf - Inf.
		c.logit = max(c.logit-peak, -math.MaxFloat64) / s.Temp
		w := math.Exp(c.logit)
		f.w = append(f.w, w)
		sum += w
	}
	n := len(f.set)
	if sorted {
		var part float64
		for i, w := range f.w {
			if part += w; part >= s.TopP*sum {
				n = i + 1
				break
			}
		}
	}
	kept := 0
	for i := range n {
		if f.w[i] >= s.MinP {
			f.set[kept], f.w[kept] = f.set[i], f.w[i]
			kept++
		}
	}
	f.set, f.w = f.set[:kept], f.w[:kept]
}

// number is a logit with NaN and -Inf replaced by the smallest finite value.
func number(l float32) float64 {
	if !(l > -math.MaxFloat32) {
		return -math.MaxFloat32
	}
	return min(float64(l), math.MaxFloat32)
}

// before orders candidates from likely to unlikely.
func before(a, b candidate) int {
	switch {
	case a.logit > b.logit || a.logit == b.logit && a.id < b.id:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// top fills the set with the k first candidates, by a heap with the last of them
// on top.
func (f *filter) top(logits []float32, k int) {
	h := f.set
	sink := func(i int) {
		for {
			last := i
			for _, child := range [2]int{2*i + 1, 2*i + 2} {
				if child < len(h) && before(h[child], h[last]) > 0 {
					last = child
				}
			}
			if last == i {
				return
			}
			h[i], h[last] = h[last], h[i]
			i = last
		}
	}
	for id, l := range logits {
		c := candidate{number(l), int32(id)}
		if len(h) < k {
			if h = append(h, c); len(h) == k {
				for i := k/2 - 1; i >= 0; i-- {
					sink(i)
				}
			}
		} else if before(c, h[0]) < 0 {
			h[0] = c
			sink(0)
		}
	}
	slices.SortFunc(h, before)
	f.set = h
}

// draw samples the set by the noise of a position.
func (f *filter) draw(seed uint64, position int) int32 {
	best, at := math.Inf(-1), int32(0)
	least := 0.0 // exp(best), a little less
	var u [4]float64
	counter := int32(-1) // that u is of
	for i, c := range f.set {
		if counter != c.id/4 {
			counter = c.id / 4
			u = engine.Uniforms(seed, position, c.id, engine.StreamChoice)
		}
		// The noise is at most -ln(1-u): mostly that tells without a logarithm that it does not lift the
		// candidate to the best.
		if (1-u[c.id&3])*least > f.w[i] {
			continue
		}
		key := c.logit + engine.GumbelOf(u[c.id&3])
		if key > best || key == best && c.id < at {
			best, at = key, c.id
			least = math.Exp(best) * (1 - 1e-9)
		}
	}
	return at
}

// likeliest is the probability of the likeliest token of the set, whose weight is 1.
func (f *filter) likeliest() float32 {
	var sum float64
	for _, w := range f.w {
		sum += w
	}
	return float32(1 / sum)
}

// probabilities overwrites a row by the probabilities of the set.
func (f *filter) probabilities(row []float32) {
	var sum float64
	for _, w := range f.w {
		sum += w
	}
	clear(row)
	for i, c := range f.set {
		row[c.id] = float32(f.w[i] / sum)
	}
}
