package metal

import (
	"maps"
	"slices"

	"orthrus/engine"
	"orthrus/quant"
)

// pass is a recorded sequence of steps, as the dispatches that they become. These differ only by how far attention may have
// to look, so a list serves until the context has grown by a tile.
type pass struct {
	device  device
	steps   []*step
	rows    int // of the largest step
	advance int // positions that the pass moves on by, at most
	list    []dispatch
	tiles   int // that list is for
}

// step becomes one or several dispatches, given how many tiles of the cache a pass may see. Of two neighbours one step is made
// where the second only prepares what the first computes: Norm, Gate and Attend leave their rows as int8 for the product that
// follows.
type step struct {
	build func(l *list, s *step, tiles int)
	out   outputs // of a Norm, Gate or Attend; no floats if nothing reads them
}

func (p *pass) dispatches(tiles int) ([]dispatch, error) {
	if p.list == nil || p.tiles != tiles {
		l := list{device: p.device}
		for _, s := range p.steps {
			s.build(&l, s, tiles)
		}
		if l.err != nil {
			return nil, l.err
		}
		p.list, p.tiles = l.all, tiles
	}
	return p.list, nil
}

// Record implements [engine.Context].
func (c *context) Record(build func(engine.Ops)) (engine.Pass, error) {
	r := &recorder{context: c, pass: &pass{device: c.backend.device}}
	build(r)
	_, err := r.pass.dispatches(c.tiles(r.pass.rows))
	return r.pass, err
}

// recorder implements [engine.Ops]: it keeps what is asked for.
type recorder struct {
	*context
	pass *pass
}

// add keeps a step that computes rows rows.
func (r *recorder) add(rows int, build func(l *list, s *step, tiles int)) *step {
	s := &step{build: build}
	r.pass.steps = append(r.pass.steps, s)
	r.pass.rows = max(r.pass.rows, rows)
	return s
}

// rowwise keeps a step whose rows a product may take as int8.
func (r *recorder) rowwise(dst engine.Buffer, build func(l *list, s *step, tiles int)) {
	r.add(dst.Rows(), build).out.floats = matrixOf(dst)
}

// simple keeps a step that is the same whatever comes next.
func (r *recorder) simple(rows int, build func(l *list)) {
	r.add(rows, func(l *list, _ *step, _ int) { build(l) })
}

func (r *recorder) Mask(rows int, token int32) {
	r.simple(rows, func(l *list) { mask(l, r.control, rows, token) })
}

func (r *recorder) Embed(dst engine.Buffer, table engine.Weight) {
	d, w := matrixOf(dst), table.(*weight)
	r.simple(d.rows, func(l *list) { embedRows(l, d, w, r.control.tokens()) })
}

func (r *recorder) Norm(dst, src engine.Buffer, w engine.Weight) {
	from, vector := matrixOf(src), w.(*weight).at
	r.rowwise(dst, func(l *list, s *step, _ int) { norm(l, s.out, from, vector, r.Eps) })
}

func (r *recorder) Gate(dst, gated, up engine.Buffer) {
	g, u := matrixOf(gated), matrixOf(up)
	r.rowwise(dst, func(l *list, s *step, _ int) { gate(l, s.out, g, u) })
}

func (r *recorder) Heads(layer int, q, k, v engine.Buffer, qNorm, kNorm engine.Weight, store bool) {
	qm, km, vm := matrixOf(q), matrixOf(k), matrixOf(v)
	r.simple(qm.rows, func(l *list) { r.heads(l, layer, qm, km, vm, qNorm.(*weight).at, kNorm.(*weight).at, store) })
}

func (r *recorder) Attend(layer int, dst, q, k, v engine.Buffer) {
	a := attention{rows: q.Rows(), layer: layer, q: matrixOf(q)}
	if k != nil {
		a.k, a.v = matrixOf(k), matrixOf(v)
	}
	r.rowwise(dst, func(l *list, s *step, tiles int) { r.attend(l, a, tiles, s.out) })
}

// MatMul may run all products of a form together.
func (r *recorder) MatMul(src engine.Buffer, add bool, asked ...engine.Product) {
	from := matrixOf(src)
	groups := map[quant.Form][]product{}
	for _, p := range asked {
		w := p.Weight.(*weight)
		f := quant.FormOf(w.t)
		groups[f] = append(groups[f], product{w, matrixOf(p.Dst)})
	}
	forms := slices.Sorted(maps.Keys(groups))
	var before *step
	if n := len(r.pass.steps); n > 0 && r.pass.steps[n-1].out.floats == from {
		before = r.pass.steps[n-1]
	}
	for _, f := range forms {
		in, group := input{floats: from}, groups[f]
		if f != quant.FormFloat {
			in.acts = r.prepare(before, f, from)
		}
		exact := r.backend.exact
		r.simple(from.rows, func(l *list) { products(l, in, add, exact, group) })
	}
	// Nothing but this product reads what it takes (engine.Ops).
	if before != nil && len(forms) == 1 && forms[0] != quant.FormFloat {
		before.out.floats = matrix{}
	}
}

// prepare gives the rows of a matrix as int8: of the step before if that computed them, else by a step of their own.
func (r *recorder) prepare(before *step, f quant.Form, from matrix) acts {
	a := r.acts[f].of(from.rows, from.cols)
	if before != nil && before.out.acts.form == quant.FormFloat {
		before.out.acts = a
	} else {
		r.simple(from.rows, func(l *list) { quantize(l, a, from) })
	}
	return a
}

func (r *recorder) Choose(logits engine.Buffer, first int, draft, keep bool) {
	m := matrixOf(logits)
	r.simple(m.rows, func(l *list) { choose(l, r.control, m, first, draft, keep) })
}

func (r *recorder) Draft(n int) {
	r.simple(n, func(l *list) { draft(l, r.control, n) })
}

func (r *recorder) Accept(rows, first int, p, q engine.Buffer) {
	var pm, qm matrix
	if p != nil {
		pm, qm = matrixOf(p), matrixOf(q)
	}
	r.simple(rows, func(l *list) { accept(l, r.control, rows, first, pm, qm) })
	r.pass.advance += rows
}
