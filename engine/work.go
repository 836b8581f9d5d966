package engine

import "orthrus/gguf"

// Work is what a pass cannot do without.
type Work struct {
	Bytes        int64 `json:"bytes"` // of weights and of the KV cache, each read once
	MultiplyAdds int64 `json:"multiply_adds"`
}

// Plus is the work of two passes.
func (w Work) Plus(o Work) Work { return Work{w.Bytes + o.Bytes, w.MultiplyAdds + o.MultiplyAdds} }

// Work counts a pass of a view over rows rows at position pos, of which heads get
// logits: the matrices and the cache of the given type before pos, and the
// products and attention over them. Of the embedding, only the rows' own are
// read, unless it is the output matrix as well. Norms and activations are
// left out.
func (m *Model) Work(view View, pos, rows, heads int, cache gguf.Type) (w Work) {
	matrix := func(t *gguf.Tensor, rows int) {
		w.Bytes += int64(len(t.Data))
		w.MultiplyAdds += int64(rows) * int64(t.Elems())
	}
	keys := rows * (pos + rows) // that the rows see
	if view == AR {
		keys = rows*pos + rows*(rows+1)/2
	}
	perKey := 2 * m.Heads * m.HeadDim // score and value
	kvRow, _ := cache.RowBytes(m.HeadDim)
	for _, l := range m.Layers {
		a := &l.AR
		if view == Diffusion {
			a = l.Diff
		}
		for _, t := range []*gguf.Tensor{a.Q, a.K, a.V, a.O, l.Gate, l.Up, l.Down} {
			matrix(t, rows)
		}
		w.Bytes += int64(pos) * int64(2*m.KVHeads*kvRow)
		w.MultiplyAdds += int64(keys) * int64(perKey)
	}
	if heads > 0 {
		matrix(m.Output, heads)
	}
	if heads == 0 || m.Output != m.Embed {
		w.Bytes += int64(rows) * int64(len(m.Embed.Data)/m.Vocab)
	}
	return w
}
