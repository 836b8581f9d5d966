package cpu

import (
	"math"

	"orthrus/engine"
)

func (r *recorder) Accept(rows, first int, p, q engine.Buffer) {
	c := r.context
	next := func() (accepted int, token int32) { return c.match(rows, first) }
	if p != nil {
		pb, qb := p.(*buffer), q.(*buffer)
		next = func() (int, int32) { return c.reject(rows, first, pb, qb) }
	}
	r.add(func() {
		n, token := next()
		c.outcome.Tokens = append(append([]int32(nil), c.tokens[first+1:first+1+n]...), token)
		c.pos += first + n + 1
		c.tokens[0] = token
	})
}

// match accepts the drafts that are the choices of the rows before them.
func (c *context) match(rows, first int) (accepted int, next int32) {
	n := 0
	for first+n+1 < rows && c.tokens[first+n+1] == c.choices[first+n] {
		n++
	}
	return n, c.choices[first+n]
}

// reject accepts a draft with probability min(1, p/q) (Leviathan, Kalman and
// Matias, 2023, "Fast inference from transformers via speculative decoding").
func (c *context) reject(rows, first int, p, q *buffer) (accepted int, next int32) {
	n := 0
	for ; first+n+1 < rows; n++ {
		draft := c.tokens[first+n+1]
		at := c.pos + first + n + 1
		u := engine.Uniform(c.sampling.Seed, at, 0, engine.StreamAccept)
		if u*float64(q.row(n)[draft]) >= float64(p.row(n)[draft]) {
			return n, residual(p.row(n), q.row(n), c.sampling.Seed, at, c.choices[first+n])
		}
	}
	return n, c.choices[first+n]
}

// residual samples max(p-q, 0). Where rounding leaves nothing of it, p and q are
// equal and the row's own choice is as good.
func residual(p, q []float32, seed uint64, position int, choice int32) int32 {
	best, at := math.Inf(-1), choice
	for id := range p {
		if d := float64(p[id]) - float64(q[id]); d > 0 {
			key := math.Log(d) + engine.Gumbel(seed, position, int32(id), engine.StreamResidual)
			if key > best {
				best, at = key, int32(id)
			}
		}
	}
	return at
}
