package cpu

import (
	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// recorder implements [engine.Ops] by keeping what is asked for.
type recorder struct {
	*context
	ops  pass
	last *rowLoop // the operation added last, if it is one
}

func (r *recorder) add(op func()) { r.ops, r.last = append(r.ops, op), nil }

// About what a row loop takes for a value, and a product of n rows for a weight, in nanoseconds.
const rowTime = 0.4

func weightTime(n int) float64 { return 0.025 + 0.003*float64(n) }

// rowLoop is an operation on every row of a matrix by itself: row computes row i of dst. A product of dst that comes
// next has its input prepared in the same loop.
type rowLoop struct {
	*context
	dst   *buffer
	run   func()
	forms []form
}

// form is what a matrix is prepared to for weights of a type.
type form struct {
	t   gguf.Type
	act *quant.Act
}

func (r *recorder) loop(dst *buffer, row func(i int)) *rowLoop {
	l := &rowLoop{context: r.context, dst: dst}
	l.run = r.pool.loop(dst.rows, rowTime*float64(dst.rows*dst.cols), func(i int) {
		row(i)
		for _, f := range l.forms {
			f.act.Set(i, dst.row(i))
		}
	})
	r.add(l.do)
	r.last = l
	return l
}

func (l *rowLoop) do() {
	for _, f := range l.forms {
		f.act.Reset(f.t, l.dst.rows, l.dst.cols)
	}
	l.run()
}

// act returns what dst will be prepared to for weights of type t.
func (l *rowLoop) act(t gguf.Type) *quant.Act {
	for _, f := range l.forms {
		if f.act.Serves(t) {
			return f.act
		}
	}
	f := form{t, l.context.act(t, l.dst.cols)}
	l.forms = append(l.forms, f)
	return f.act
}

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
	half := c.HeadDim / 2
	const sincos = 20 // nanoseconds
	run := c.pool.loop(d.rows, float64(d.rows)*(rowTime*float64(d.cols)+sincos*float64(half)), func(i int) {
		at := int(c.tokens[i]) * size
		quant.Dequantize(w.t.Type, d.row(i), w.t.Data[at:at+size])
		cos, sin := c.rotation(i)
		for j := range cos {
			cos[j], sin[j] = c.Rope.Rotation(c.pos+i, j)
		}
	})
	r.add(func() {
		c.cos, c.sin = resize(c.cos, d.rows*half), resize(c.sin, d.rows*half)
		run()
	})
}

// rotation is the rotation of row i of the running pass.
func (c *context) rotation(i int) (cos, sin []float32) {
	half := c.HeadDim / 2
	return c.cos[i*half:][:half], c.sin[i*half:][:half]
}

func (r *recorder) Norm(dst, src engine.Buffer, w engine.Weight) {
	c, d, s, vec := r.context, dst.(*buffer), src.(*buffer), w.(*weight).vec
	r.loop(d, func(i int) { quant.RMSNorm(d.row(i), s.row(i), vec, c.Eps) })
}

func (r *recorder) Gate(dst, gate, up engine.Buffer) {
	d, g, u := dst.(*buffer), gate.(*buffer), up.(*buffer)
	r.loop(d, func(i int) { quant.SiLUMul(d.row(i), g.row(i), u.row(i)) })
}

// MatMul splits the weight rows of all products, in whole tiles, among the threads.
func (r *recorder) MatMul(src engine.Buffer, add bool, products ...engine.Product) {
	c, s, l := r.context, src.(*buffer), r.last
	if l == nil || l.dst != s {
		l = r.loop(s, func(int) {})
	}
	rows := 0
	for _, p := range products {
		rows += p.Weight.(*weight).rows
	}
	const tile = 16
	step := rows / c.pool.pieces(weightTime(s.rows)*float64(rows*s.cols))
	step = (step + tile - 1) / tile * tile
	var ranges []rowRange
	for _, p := range products {
		w := p.Weight.(*weight)
		act := l.act(w.t.Type)
		for from := 0; from < w.rows; from += step {
			ranges = append(ranges, rowRange{w, act, p.Dst.(*buffer), from, min(from+step, w.rows)})
		}
	}
	unit := func(_, i int) {
		g := ranges[i]
		quant.MatMul(g.dst.data, g.dst.cols, g.w.t.Type, g.w.t.Data, g.w.cols, g.from, g.to, g.src, add)
	}
	r.add(func() { c.pool.run(len(ranges), unit) })
}

// rowRange is a thread's piece of a product.
type rowRange struct {
	w        *weight
	src      *quant.Act
	dst      *buffer
	from, to int
}

// Heads takes a kv head with its queries' heads at a time, since in the cache keys of different heads share no cache
// lines.
func (r *recorder) Heads(layer int, q, k, v engine.Buffer, qNorm, kNorm engine.Weight, store bool) {
	c, qb, kb, vb := r.context, q.(*buffer), k.(*buffer), v.(*buffer)
	qw, kw := qNorm.(*weight).vec, kNorm.(*weight).vec
	group, dim := c.Heads/c.KVHeads*c.HeadDim, c.HeadDim
	runs := (qb.rows + quant.KeyBlock - 1) / quant.KeyBlock // of rows
	r.add(c.pool.loop(c.KVHeads*runs, rowTime*float64(qb.rows*(qb.cols+kb.cols+vb.cols)), func(i int) {
		h, first := i/runs, i%runs*quant.KeyBlock
		for row := first; row < min(first+quant.KeyBlock, qb.rows); row++ {
			key := kb.row(row)[h*dim:][:dim]
			c.heads(row, qb.row(row)[h*group:][:group], qw)
			c.heads(row, key, kw)
			if store {
				c.cache.store(layer, h, c.pos+row, key, vb.row(row)[h*dim:][:dim])
			}
		}
	}))
}

// heads norms and rotates the heads of row i in place.
func (c *context) heads(i int, row, w []float32) {
	cos, sin := c.rotation(i)
	for ; len(row) > 0; row = row[c.HeadDim:] {
		head := row[:c.HeadDim]
		quant.RMSNorm(head, head, w, c.Eps)
		quant.Rotate(head, cos, sin)
	}
}

func (r *recorder) Draft(n int) {
	c := r.context
	r.add(func() {
		copy(c.tokens[1:n+1], c.choices[:n])
		c.outcome.Chances = c.chances[:n]
	})
}
