package cuda

import (
	"errors"
	"maps"
	"slices"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// recorder implements [engine.Ops]: it keeps what is asked for as steps, each of which is one launch. Of two neighbours it
// makes one where the second only prepares what the first computed: Norm, Gate and Attend leave their rows as int8 for the
// product that follows.
type recorder struct {
	*context
	steps  []*step
	rows   int
	failed error
}

// step is a launch.
type step struct {
	launch func(s *step) error
	dst    matrix // of a Norm, Gate or Attend; at 0 if nothing reads it as float32
	acts   acts   // the same rows as int8, if a product takes them
	ahead  span   // weights that the next product reads, to be fetched meanwhile
}

// add keeps a step that computes rows rows.
func (r *recorder) add(rows int, launch func(s *step) error) *step {
	s := &step{launch: launch}
	r.steps = append(r.steps, s)
	r.rows = max(r.rows, rows)
	return s
}

// rowwise keeps a step whose rows a product may take as int8.
func (r *recorder) rowwise(dst engine.Buffer, launch func(s *step) error) {
	s := r.add(dst.Rows(), launch)
	s.dst = dst.(*buffer).matrix
}

func (r *recorder) last() *step {
	if len(r.steps) == 0 {
		return &step{}
	}
	return r.steps[len(r.steps)-1]
}

func (r *recorder) Mask(rows int, token int32) {
	r.add(rows, func(*step) error { return mask(r.device, r.state.control, rows, token) })
}

// matrix refuses a vector, which is not packed for products.
func (r *recorder) matrix(w engine.Weight) *weight {
	m := w.(*weight)
	if m.t == gguf.F32 && m.rows == 1 {
		r.failed = errors.New("cuda: a matrix of one row of f32 is not supported: use -b cpu")
	}
	return m
}

// Embed also prepares the rotations of the pass, which all layers share.
func (r *recorder) Embed(dst engine.Buffer, table engine.Weight) {
	d, w := dst.(*buffer).matrix, r.matrix(table)
	r.add(d.rows, func(*step) error { return embed(r.device, d, w, r.state.control.tokens()) })
	r.add(d.rows, func(*step) error { return rotations(r.device, r.state, d.rows) })
}

func (r *recorder) Norm(dst, src engine.Buffer, w engine.Weight) {
	from, vector := src.(*buffer).matrix, w.(*weight).at
	r.rowwise(dst, func(s *step) error { return norm(r.device, s.dst, s.acts, from, vector, r.Eps, s.ahead) })
}

func (r *recorder) Gate(dst, gated, up engine.Buffer) {
	g, u := gated.(*buffer).matrix, up.(*buffer).matrix
	r.rowwise(dst, func(s *step) error { return gate(r.device, s.dst, s.acts, g, u, s.ahead) })
}

func (r *recorder) Heads(layer int, q, k, v engine.Buffer, qNorm, kNorm engine.Weight, store bool) {
	qm, km, vm := q.(*buffer).matrix, k.(*buffer).matrix, v.(*buffer).matrix
	r.add(qm.rows, func(*step) error {
		return heads(r.device, r.state, layer, qm, km, vm, qNorm.(*weight).at, kNorm.(*weight).at, store)
	})
}

// Attend finds its queries, and the block's own keys and values, where Heads left them.
func (r *recorder) Attend(layer int, dst, _, k, _ engine.Buffer) {
	r.rowwise(dst, func(s *step) error { return attend(r.device, r.state, layer, s.dst, s.acts, k != nil, s.ahead) })
}

// MatMul is one launch for all products that take the rows in the same form.
func (r *recorder) MatMul(src engine.Buffer, add bool, terms ...engine.Product) {
	from := src.(*buffer).matrix
	groups := map[quant.Form][]product{}
	for _, p := range terms {
		w := r.matrix(p.Weight)
		f := quant.FormOf(w.t)
		groups[f] = append(groups[f], product{w, p.Dst.(*buffer).matrix})
	}
	forms := slices.Sorted(maps.Keys(groups))
	before := r.last()
	if before.dst != from {
		before = nil
	}
	if before != nil {
		before.ahead = r.first(groups[forms[0]])
	}
	for _, f := range forms {
		in := input{floats: from}
		if f != quant.FormFloat {
			in = input{acts: r.prepare(before, f, from)}
		}
		list := groups[f]
		r.add(from.rows, func(*step) error { return products(r.device, in, add, list) })
	}
	// Nothing but this product reads what it takes (engine.Ops).
	if before != nil && len(forms) == 1 && forms[0] != quant.FormFloat {
		before.dst.at = 0
	}
}

// prepare returns the rows of a matrix as int8: of the step before if that computed them, else by a step of their own.
func (r *recorder) prepare(before *step, f quant.Form, from matrix) acts {
	a := acts{form: f, at: r.acts[f].at, rows: from.rows, k: from.cols}
	if before != nil && before.acts.at == 0 {
		before.acts = a
	} else {
		r.add(from.rows, func(*step) error { return quantize(r.device, a, from) })
	}
	return a
}

// first is the memory that products read first: a small part of the cache, since more delays what is read now (TestProfile:
// on an H100, 50 MB, 4 MB are best).
func (r *recorder) first(list []product) span {
	s := list[0].w.span()
	for _, p := range list[1:] {
		if next := p.w.span(); next.at == s.at+pointer(align(s.bytes)) {
			s.bytes = align(s.bytes) + next.bytes
		}
	}
	s.bytes = min(s.bytes, r.device.properties().l2/12)
	return s
}

func (r *recorder) Choose(logits engine.Buffer, first int, draft, keep bool) {
	l := logits.(*buffer).matrix
	r.add(l.rows, func(*step) error { return choose(r.device, r.state.control, l, first, draft, keep) })
}

func (r *recorder) Draft(n int) {
	r.add(n, func(*step) error { return draft(r.device, r.state.control, n) })
}

func (r *recorder) Accept(rows, first int, p, q engine.Buffer) {
	var pm, qm matrix
	if p != nil {
		pm, qm = p.(*buffer).matrix, q.(*buffer).matrix
	}
	r.add(rows, func(*step) error { return accept(r.device, r.state.control, rows, first, pm, qm) })
}
