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

// rowLoop is an operation on every row of a matrix by itself: row computes row i of dst. A product of dst that comes
// next has its input prepared in the same loop.
type rowLoop struct {
	*context
	dst   *buffer
	row   func(i int)
	forms []form
}

// form is what a matrix is prepared to for weights of a type.
type form struct {
	t   gguf.Type
	act *quant.Act
}

func (r *recorder) loop(dst *buffer, row func(i int)) *rowLoop {
	l := &rowLoop{context: r.context, dst: dst, row: row}
	r.add(l.do)
	r.last = l
	return l
}

func (l *rowLoop) do() {
	for _, f := range l.forms {
		f.act.Reset(f.t, l.dst.rows, l.dst.cols)
	}
	l.pool.run(l.pool.groups(l.dst.rows), l.unit)
}

func (l *rowLoop) unit(_, group int) {
	from, to := l.pool.group(group, l.dst.rows)
	for i := from; i < to; i++ {
		l.row(i)
		for _, f := range l.forms {
			f.act.Set(i, l.dst.row(i))
		}
	}
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
	r.add(func() {
		c.cos, c.sin = resize(c.cos, d.rows*half), resize(c.sin, d.rows*half)
		c.pool.run(d.rows, func(_, i int) {
			at := int(c.tokens[i]) * size
			quant.Dequantize(w.t.Type, d.row(i), w.t.Data[at:at+size])
			cos, sin := c.rotation(i)
			for j := range cos {
				cos[j], sin[j] = c.Rope.Rotation(c.pos+i, j)
			}
		})
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

// MatMul splits the weight rows of all products among the threads.
func (r *recorder) MatMul(src engine.Buffer, add bool, products ...engine.Product) {
	c, s, l := r.context, src.(*buffer), r.last
	if l == nil || l.dst != s {
		l = r.loop(s, func(int) {})
	}
	var ranges []rowRange
	for _, p := range products {
		w := p.Weight.(*weight)
		ranges = append(ranges, split(w, l.act(w.t.Type), p.Dst.(*buffer), c.pool.threads())...)
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

// split cuts a product into pieces of whole tiles, a few for each thread so that
// a thread that is held up delays the others little.
func split(w *weight, src *quant.Act, dst *buffer, threads int) (ranges []rowRange) {
	const tile, pieces = 16, 4
	step := w.rows
	if threads > 1 {
		step = max(tile, (w.rows/(threads*pieces)+tile-1)/tile*tile)
	}
	for from := 0; from < w.rows; from += step {
		ranges = append(ranges, rowRange{w, src, dst, from, min(from+step, w.rows)})
	}
	return ranges
}

func (r *recorder) Heads(layer int, q, k, v engine.Buffer, qNorm, kNorm engine.Weight, store bool) {
	c, qb, kb, vb := r.context, q.(*buffer), k.(*buffer), v.(*buffer)
	qw, kw := qNorm.(*weight).vec, kNorm.(*weight).vec
	unit := func(_, group int) {
		from, to := c.pool.group(group, qb.rows)
		for i := from; i < to; i++ {
			c.heads(i, qb.row(i), qw)
			c.heads(i, kb.row(i), kw)
			if store {
				c.cache.store(layer, c.pos+i, kb.row(i), vb.row(i))
			}
		}
	}
	r.add(func() { c.pool.run(c.pool.groups(qb.rows), unit) })
}

// heads norms and rotates every head of row i in place.
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
