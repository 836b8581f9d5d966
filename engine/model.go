package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"sync"

	"orthrus/gguf"
	"orthrus/quant"
)

// Model is a model in host memory: hyperparameters and tensors, usually of a
// mapped file that must stay open as long as the model is used.
type Model struct {
	Config
	Embed  *gguf.Tensor // [Vocab][Hidden]
	Norm   *gguf.Tensor // [Hidden], before the output matrix
	Output *gguf.Tensor // [Vocab][Hidden]; Embed itself when tied
	Layers []Layer
}

// Layer is one decoder layer. Matrices are [outputs][inputs].
type Layer struct {
	AttnNorm, FFNNorm *gguf.Tensor // [Hidden]
	AR                Attention
	Diff              *Attention   // nil without a diffusion view
	Gate, Up          *gguf.Tensor // [FF][Hidden]
	Down              *gguf.Tensor // [Hidden][FF]
}

// Attention holds the projections of one view.
type Attention struct {
	Q            *gguf.Tensor // [Heads*HeadDim][Hidden]
	K, V         *gguf.Tensor // [KVHeads*HeadDim][Hidden]
	O            *gguf.Tensor // [Hidden][Heads*HeadDim]
	QNorm, KNorm *gguf.Tensor // [HeadDim]
}

// Load reads the model in a GGUF file: every tensor is checked for its shape and
// type, and every tensor of the file must be one of the model's.
func Load(f *gguf.File) (*Model, error) {
	c, err := readConfig(f.Metadata)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	l := loader{find: f.Tensor, used: map[string]bool{}}
	m := l.model(c)
	if l.err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, l.err)
	}
	for _, t := range f.Tensors {
		if !l.used[t.Name] {
			return nil, fmt.Errorf("%s: tensor %.80q is not part of a %s model", f.Path, t.Name, c.Arch)
		}
	}
	m.Vocab = m.Embed.Rows()
	for _, id := range append([]int32{c.MaskToken}, c.EOG...) {
		if int(id) >= m.Vocab {
			return nil, fmt.Errorf("%s: special token %d is outside the vocabulary of %d", f.Path, id, m.Vocab)
		}
	}
	return m, nil
}

// loader finds the tensors of a model by name and keeps the first error.
type loader struct {
	find func(name string) *gguf.Tensor
	used map[string]bool
	err  error
}

func (l *loader) model(c Config) *Model {
	m := &Model{Config: c}
	m.Embed = l.tensor("token_embd.weight", c.Hidden, 0)
	m.Norm = l.vector("output_norm.weight", c.Hidden)
	m.Output = m.Embed
	if l.err == nil && l.find("output.weight") != nil {
		m.Output = l.tensor("output.weight", c.Hidden, m.Embed.Rows())
	}
	for i := 0; i < c.Layers && l.err == nil; i++ {
		p := fmt.Sprintf("blk.%d.", i)
		layer := Layer{
			AttnNorm: l.vector(p+"attn_norm.weight", c.Hidden),
			FFNNorm:  l.vector(p+"ffn_norm.weight", c.Hidden),
			AR:       l.attention(c, p, ""),
			Gate:     l.tensor(p+"ffn_gate.weight", c.Hidden, c.FF),
			Up:       l.tensor(p+"ffn_up.weight", c.Hidden, c.FF),
			Down:     l.tensor(p+"ffn_down.weight", c.FF, c.Hidden),
		}
		if c.BlockSize > 0 {
			a := l.attention(c, p, "_diff")
			layer.Diff = &a
		}
		m.Layers = append(m.Layers, layer)
	}
	return m
}

func (l *loader) attention(c Config, prefix, suffix string) Attention {
	name := func(s string) string { return prefix + s + suffix + ".weight" }
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	return Attention{
		Q:     l.tensor(name("attn_q"), c.Hidden, q),
		K:     l.tensor(name("attn_k"), c.Hidden, kv),
		V:     l.tensor(name("attn_v"), c.Hidden, kv),
		O:     l.tensor(name("attn_output"), q, c.Hidden),
		QNorm: l.vector(name("attn_q_norm"), c.HeadDim),
		KNorm: l.vector(name("attn_k_norm"), c.HeadDim),
	}
}

// tensor finds a matrix of rows rows (0: any number) of cols values.
func (l *loader) tensor(name string, cols, rows int) *gguf.Tensor {
	if l.err != nil {
		return nil
	}
	t := l.find(name)
	switch {
	case t == nil:
		l.err = fmt.Errorf("tensor %s is missing", name)
	case !quant.Supported(t.Type):
		l.err = fmt.Errorf("tensor %s has type %s, which orthrus does not compute with: convert the checkpoint again", name, t.Type)
	case len(t.Dims) == 0 || t.Dims[0] != cols || rows > 0 && t.Rows() != rows || len(t.Dims) > 2:
		l.err = fmt.Errorf("tensor %s has dimensions %v, expected %d x %d", name, t.Dims, cols, rows)
	}
	l.used[name] = true
	return t
}

// vector finds a tensor of n values in float32.
func (l *loader) vector(name string, n int) *gguf.Tensor {
	t := l.tensor(name, n, 1)
	if l.err == nil && t.Type != gguf.F32 {
		l.err = fmt.Errorf("tensor %s has type %s, expected f32", name, t.Type)
	}
	return t
}

// HasDiffusion reports whether the model can draft.
func (m *Model) HasDiffusion() bool { return m.BlockSize > 0 }

// Tensors lists every tensor once.
func (m *Model) Tensors() []*gguf.Tensor {
	list := []*gguf.Tensor{m.Embed, m.Norm}
	if m.Output != m.Embed {
		list = append(list, m.Output)
	}
	for _, l := range m.Layers {
		list = append(list, l.AttnNorm, l.FFNNorm, l.Gate, l.Up, l.Down)
		for _, a := range []*Attention{&l.AR, l.Diff} {
			if a != nil {
				list = append(list, a.Q, a.K, a.V, a.O, a.QNorm, a.KNorm)
			}
		}
	}
	return list
}

// Bytes is the size of all tensors.
func (m *Model) Bytes() int64 {
	var n int64
	for _, t := range m.Tensors() {
		n += int64(len(t.Data))
	}
	return n
}

// Parameters is the number of weights in all tensors.
func (m *Model) Parameters() int64 {
	var n int64
	for _, t := range m.Tensors() {
		n += int64(t.Elems())
	}
	return n
}

// Fingerprint identifies the model by its hyperparameters, and the name, type,
// shape and first and last bytes of every tensor: enough to tell whether a
// saved KV cache belongs to it without reading the whole file.
func (m *Model) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "%v %d %d %d %d %g %v %d\n", m.Arch, m.Heads, m.KVHeads, m.HeadDim, m.BlockSize, m.Eps, m.Rope, m.MaskToken)
	for _, t := range m.Tensors() {
		fmt.Fprintf(h, "%s %d %v\n", t.Name, t.Type, t.Dims)
		const edge = 4096
		h.Write(t.Data[:min(edge, len(t.Data))])
		h.Write(t.Data[max(0, len(t.Data)-edge):])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Random makes a model of the given shape with random weights, to time an
// engine without a file: speed does not depend on the values. typ gives each
// tensor's type by name and number of inputs.
func Random(c Config, tied bool, typ func(name string, cols int) gguf.Type) (*Model, error) {
	tensors := map[string]*gguf.Tensor{}
	var filled sync.WaitGroup
	add := func(name string, cols, rows int) {
		t, kind := new(gguf.Tensor), typ(name, cols)
		tensors[name] = t
		filled.Go(func() { *t = randomTensor(name, kind, cols, rows) })
	}
	add("token_embd.weight", c.Hidden, c.Vocab)
	add("output_norm.weight", c.Hidden, 1)
	if !tied {
		add("output.weight", c.Hidden, c.Vocab)
	}
	views := []string{""}
	if c.BlockSize > 0 {
		views = append(views, "_diff")
	}
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	for i := range c.Layers {
		p := fmt.Sprintf("blk.%d.", i)
		add(p+"attn_norm.weight", c.Hidden, 1)
		add(p+"ffn_norm.weight", c.Hidden, 1)
		add(p+"ffn_gate.weight", c.Hidden, c.FF)
		add(p+"ffn_up.weight", c.Hidden, c.FF)
		add(p+"ffn_down.weight", c.FF, c.Hidden)
		for _, v := range views {
			add(p+"attn_q"+v+".weight", c.Hidden, q)
			add(p+"attn_k"+v+".weight", c.Hidden, kv)
			add(p+"attn_v"+v+".weight", c.Hidden, kv)
			add(p+"attn_output"+v+".weight", q, c.Hidden)
			add(p+"attn_q_norm"+v+".weight", c.HeadDim, 1)
			add(p+"attn_k_norm"+v+".weight", c.HeadDim, 1)
		}
	}
	filled.Wait()
	l := loader{find: func(name string) *gguf.Tensor { return tensors[name] }, used: map[string]bool{}}
	m := l.model(c)
	return m, l.err
}

// randomTensor fills a tensor with a repeated pool of quantized noise of the
// usual size of weights, and vectors with ones.
func randomTensor(name string, t gguf.Type, cols, rows int) gguf.Tensor {
	dims := []int{cols, rows}
	if rows == 1 {
		dims, t = dims[:1], gguf.F32
	}
	rowBytes, err := t.RowBytes(cols)
	if err != nil {
		t = quant.Fallback(t, cols)
		rowBytes, _ = t.RowBytes(cols)
	}
	const pool = 7 // rows
	n := min(rows, pool)
	rnd := rand.New(rand.NewPCG(uint64(cols), uint64(rows)))
	values := make([]float32, n*cols)
	for i := range values {
		values[i] = 1
		if rows > 1 {
			values[i] = float32(rnd.NormFloat64()) * 0.02
		}
	}
	data := make([]byte, n*rowBytes, rows*rowBytes)
	quant.Quantize(t, data, values)
	for len(data) < rows*rowBytes {
		data = append(data, data[:min(len(data), rows*rowBytes-len(data))]...)
	}
	return gguf.Tensor{Name: name, Type: t, Dims: dims, Data: data}
}
