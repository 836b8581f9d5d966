package engine

import (
	"fmt"

	"orthrus/gguf"
)

// View is one of a model's two ways to read a text.
type View uint8

const (
	AR        View = iota // causal; writes the KV cache
	Diffusion             // bidirectional inside its block; leaves the cache alone
)

func (v View) String() string {
	if v == Diffusion {
		return "diffusion"
	}
	return "ar"
}

// Net is a model placed on a device. Several decoders can share one.
type Net struct {
	*Model
	Backend             Backend
	embed, norm, output Weight
	layers              []netLayer
}

type netLayer struct {
	attnNorm, ffnNorm Weight
	views             [2]netAttention // by View
	gate, up, down    Weight
}

type netAttention struct{ q, k, v, o, qNorm, kNorm Weight }

// Place puts a model's weights on a device. progress, if not nil, is told the
// bytes placed so far.
func Place(m *Model, b Backend, progress func(done, total int64)) (*Net, error) {
	n := &Net{Model: m, Backend: b}
	var done int64
	var failed error
	put := func(t *gguf.Tensor) Weight {
		if failed != nil {
			return nil
		}
		w, err := b.Weight(t)
		if err != nil {
			failed = fmt.Errorf("%s: tensor %s: %w", b.Name(), t.Name, err)
			return nil
		}
		if done += int64(len(t.Data)); progress != nil {
			progress(done, m.Bytes())
		}
		return w
	}
	attention := func(a *Attention) netAttention {
		if a == nil {
			return netAttention{}
		}
		return netAttention{put(a.Q), put(a.K), put(a.V), put(a.O), put(a.QNorm), put(a.KNorm)}
	}
	n.embed, n.norm = put(m.Embed), put(m.Norm)
	n.output = n.embed
	if m.Output != m.Embed {
		n.output = put(m.Output)
	}
	for _, l := range m.Layers {
		n.layers = append(n.layers, netLayer{
			attnNorm: put(l.AttnNorm), ffnNorm: put(l.FFNNorm),
			views: [2]netAttention{AR: attention(&l.AR), Diffusion: attention(l.Diff)},
			gate:  put(l.Gate), up: put(l.Up), down: put(l.Down),
		})
	}
	return n, failed
}

// activations are the buffers of a pass, each with a row for every row of the
// widest pass. The block's keys and values are used by one layer after the
// other, so what the diffusion view holds beside the cache does not grow with
// layers or context.
type activations struct {
	x      Buffer // residual stream, [rows][Hidden]
	h      Buffer // normed x, [rows][Hidden]
	q      Buffer // [rows][Heads*HeadDim]
	k, v   Buffer // [rows][KVHeads*HeadDim]
	att    Buffer // attention output, as q
	gate   Buffer // [rows][FF]
	up     Buffer // [rows][FF]
	logits Buffer // [block][Vocab]
}

// all lists the buffers in the order of [Geometry.shapes].
func (a *activations) all() [9]*Buffer {
	return [...]*Buffer{&a.x, &a.h, &a.q, &a.k, &a.v, &a.att, &a.gate, &a.up, &a.logits}
}

// shapes are the rows and columns of a decoder's activations.
func (g Geometry) shapes() [9][2]int {
	q, kv := g.Heads*g.HeadDim, g.KVHeads*g.HeadDim
	return [...][2]int{
		{g.Rows, g.Hidden}, {g.Rows, g.Hidden}, {g.Rows, q}, {g.Rows, kv}, {g.Rows, kv}, {g.Rows, q},
		{g.Rows, g.FF}, {g.Rows, g.FF}, {g.Block, g.Vocab},
	}
}

// Activations is the size in bytes of the buffers that a decoder allocates, with
// the one for rejection acceptance.
func (g Geometry) Activations() int64 {
	n := int64(g.Block) * int64(g.Vocab)
	for _, s := range g.shapes() {
		n += int64(s[0]) * int64(s[1])
	}
	return 4 * n
}

func newActivations(c Context, g Geometry) (a activations, err error) {
	shapes := g.shapes()
	for i, b := range a.all() {
		if *b, err = c.Buffer(shapes[i][0], shapes[i][1]); err != nil {
			return a, err
		}
	}
	return a, nil
}

// slice cuts every row-wise buffer to n rows.
func (a activations) slice(n int) activations {
	for _, b := range []*Buffer{&a.x, &a.h, &a.q, &a.k, &a.v, &a.att, &a.gate, &a.up} {
		*b = (*b).Slice(0, n)
	}
	return a
}

// forward records the residual stream of a view over the rows of a: embedding
// and all layers.
func (n *Net) forward(ops Ops, view View, a activations) {
	ops.Embed(a.x, n.embed)
	for i := range n.layers {
		l := &n.layers[i]
		w := &l.views[view]

		ops.Norm(a.h, a.x, l.attnNorm)
		ops.MatMul(a.h, false, Product{w.q, a.q}, Product{w.k, a.k}, Product{w.v, a.v})
		ops.Heads(i, a.q, a.k, a.v, w.qNorm, w.kNorm, view == AR)
		if view == AR {
			ops.Attend(i, a.att, a.q, nil, nil)
		} else {
			ops.Attend(i, a.att, a.q, a.k, a.v)
		}
		ops.MatMul(a.att, true, Product{w.o, a.x})

		ops.Norm(a.h, a.x, l.ffnNorm)
		ops.MatMul(a.h, false, Product{l.gate, a.gate}, Product{l.up, a.up})
		ops.Gate(a.gate, a.gate, a.up)
		ops.MatMul(a.gate, true, Product{l.down, a.x})
	}
}

// head records the logits of rows [from, to) of a pass, which both views share.
func (n *Net) head(ops Ops, a activations, from, to int, logits Buffer) {
	h := a.h.Slice(from, to)
	ops.Norm(h, a.x.Slice(from, to), n.norm)
	ops.MatMul(h, false, Product{n.output, logits})
}
