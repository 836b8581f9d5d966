package cpu

import (
	"math"

	"orthrus/engine"
	"orthrus/quant"
)

// recorder implements [engine.Ops] by keeping what is asked for.
type recorder struct {
	*context
	ops pass
}

func (r *recorder) add(op func()) { r.ops = append(r.ops, op) }

func (r *recorder) Mask(rows int, token int32) {
	c := r.context
	r.add(func() {
		for i := 1; i < rows; i++ {
			c.tokens[i] = token
		}
	})
}

// Embed also prepares the rotations of the pass, which all layers share.
func (r *recorder) Embed(dst engine.Buffer, table engine.Weight) {
	c, d, w := r.context, dst.(*buffer), table.(*weight)
	size, _ := w.t.Type.RowBytes(w.cols)
	r.add(func() {
		for i := range d.rows {
			at := int(c.tokens[i]) * size
			quant.Dequantize(w.t.Type, d.row(i), w.t.Data[at:at+size])
		}
		c.rotations(d.rows)
	})
}

// rotations computes cos and sin for the next n positions.
func (c *context) rotations(n int) {
	c.cos, c.sin = c.cos[:0], c.sin[:0]
	for i := range n {
		for _, freq := range c.Rope.InvFreq {
			// The angle is rounded to float32 as the reference does.
			sin, cos := math.Sincos(float64(float32(c.pos+i) * freq))
			c.cos = append(c.cos, float32(cos)*c.Rope.Scale)
			c.sin = append(c.sin, float32(sin)*c.Rope.Scale)
		}
	}
}

func (r *recorder) Norm(dst, src engine.Buffer, w engine.Weight) {
	c, d, s, vec := r.context, dst.(*buffer), src.(*buffer), w.(*weight).vec
	r.add(func() {
		c.pool.run(d.rows, func(_, i int) { norm(d.row(i), s.row(i), vec, c.Eps) })
	})
}

// norm is x / sqrt(mean(x*x) + eps) * w. dst may be x.
func norm(dst, x, w []float32, eps float32) {
	mean := quant.SumSquares(x) / float32(len(x))
	scale := float32(1 / math.Sqrt(float64(mean+eps)))
	for i, v := range x {
		dst[i] = float32(v*scale) * w[i]
	}
}

// MatMul splits the weight rows of all products among the threads.
func (r *recorder) MatMul(src engine.Buffer, add bool, products ...engine.Product) {
	c, s := r.context, src.(*buffer)
	var ranges []rowRange
	for _, p := range products {
		ranges = append(ranges, split(p.Weight.(*weight), p.Dst.(*buffer), c.pool.threads())...)
	}
	acts := make([]*quant.Act, len(ranges))
	r.add(func() {
		used := 0
		for i, g := range ranges {
			acts[i] = c.act(&used, g.w.t.Type, s)
		}
		c.pool.run(len(ranges), func(_, i int) {
			g := ranges[i]
			quant.MatMul(g.dst.data, g.dst.cols, g.w.t.Type, g.w.t.Data, g.w.cols, g.from, g.to, acts[i], add)
		})
	})
}

// rowRange is a thread's piece of a product.
type rowRange struct {
	w        *weight
	dst      *buffer
	from, to int
}

// split cuts a product into pieces of whole tiles, a few for each thread so that
// a thread that is held up delays the others little.
func split(w *weight, dst *buffer, threads int) (ranges []rowRange) {
	const tile, pieces = 16, 4
	step := w.rows
	if threads > 1 {
		step = max(tile, (w.rows/(threads*pieces)+tile-1)/tile*tile)
	}
	for from := 0; from < w.rows; from += step {
		ranges = append(ranges, rowRange{w, dst, from, min(from+step, w.rows)})
	}
	return ranges
}

func (r *recorder) Heads(layer int, q, k, v engine.Buffer, qNorm, kNorm engine.Weight, store bool) {
	c, qb, kb, vb := r.context, q.(*buffer), k.(*buffer), v.(*buffer)
	qw, kw := qNorm.(*weight).vec, kNorm.(*weight).vec
	r.add(func() {
		c.pool.run(qb.rows, func(_, i int) {
			half := c.HeadDim / 2
			cos, sin := c.cos[i*half:][:half], c.sin[i*half:][:half]
			c.heads(qb.row(i), qw, cos, sin)
			c.heads(kb.row(i), kw, cos, sin)
			if store {
				c.cache.store(layer, c.pos+i, kb.row(i), vb.row(i))
			}
		})
	})
}

// heads norms and rotates every head of a row in place.
func (c *context) heads(x, w, cos, sin []float32) {
	for ; len(x) > 0; x = x[c.HeadDim:] {
		head := x[:c.HeadDim]
		norm(head, head, w, c.Eps)
		a, b := head[:len(cos)], head[len(cos):]
		for i := range a {
			p, q := a[i], b[i]
			a[i] = float32(p*cos[i]) - float32(q*sin[i])
			b[i] = float32(q*cos[i]) + float32(p*sin[i])
		}
	}
}

func (r *recorder) Gate(dst, gate, up engine.Buffer) {
	c, d, g, u := r.context, dst.(*buffer), gate.(*buffer), up.(*buffer)
	r.add(func() {
		c.pool.run(d.rows, func(_, i int) { quant.SiLUMul(d.row(i), g.row(i), u.row(i)) })
	})
}

func (r *recorder) Draft(n int) {
	c := r.context
	r.add(func() {
		copy(c.tokens[1:n+1], c.choices[:n])
		c.outcome.Chances = c.chances[:n]
	})
}
