package convert

import "fmt"

// Limits on hyperparameters: far above any Qwen3, and low enough that a product
// of three of them fits an int64.
const (
	maxDim     = 1 << 20
	maxLayers  = 1 << 12
	maxHeads   = 1 << 12
	maxHeadDim = 1 << 12
	maxVocab   = 1 << 22
	maxContext = 1 << 28
)

// hparams are the hyperparameters of a Qwen3 decoder, and of its diffusion
// view where it has one.
type hparams struct {
	layers, hidden, ff      int
	heads, kvHeads, headDim int
	vocab                   int // rows of the embedding
	context                 int
	tied                    bool // the output matrix is the embedding
	eps                     float64
	rope                    rope
	blockSize               int    // rows of a draft; 0 without a diffusion view
	mask                    uint32 // token, with a diffusion view
}

// rope is a rotary embedding, stretched by YaRN where factor is not 0.
type rope struct {
	theta              float64
	factor             float64
	original           int      // context before stretching
	attention          *float64 // scale of cos and sin; nil: 0.1 ln(factor) + 1
	betaFast, betaSlow *float64
}

// role is what decides a tensor's type.
type role int

const (
	matrix role = iota // one that no mix promotes
	norm
	embedding
	output
	attnV
	ffnDown
)

// slot is a tensor that a model of given hyperparameters must have.
type slot struct {
	hf, gguf string // its name in a checkpoint and in a GGUF file
	dims     []int  // GGUF's order: the length of a row, then the rows
	role     role
	layer    int
	diff     bool // of the diffusion view
}

// slots lists the model's tensors in the order they have in a GGUF file. The
// diffusion view has the attention's tensors a second time, named *_diff.
func (h *hparams) slots() []slot {
	q, kv := h.heads*h.headDim, h.kvHeads*h.headDim
	var list []slot
	add := func(hf, gguf string, r role, dims ...int) {
		list = append(list, slot{hf: hf + ".weight", gguf: gguf + ".weight", role: r, dims: dims})
	}
	add("model.embed_tokens", "token_embd", embedding, h.hidden, h.vocab)
	for layer := range h.layers {
		first := len(list)
		hf, blk := fmt.Sprintf("model.layers.%d.", layer), fmt.Sprintf("blk.%d.", layer)
		attention := func(view string) {
			add(hf+"self_attn.q_proj"+view, blk+"attn_q"+view, matrix, h.hidden, q)
			add(hf+"self_attn.k_proj"+view, blk+"attn_k"+view, matrix, h.hidden, kv)
			add(hf+"self_attn.v_proj"+view, blk+"attn_v"+view, attnV, h.hidden, kv)
			add(hf+"self_attn.o_proj"+view, blk+"attn_output"+view, matrix, q, h.hidden)
			add(hf+"self_attn.q_norm"+view, blk+"attn_q_norm"+view, norm, h.headDim)
			add(hf+"self_attn.k_norm"+view, blk+"attn_k_norm"+view, norm, h.headDim)
		}
		add(hf+"input_layernorm", blk+"attn_norm", norm, h.hidden)
		attention("")
		add(hf+"post_attention_layernorm", blk+"ffn_norm", norm, h.hidden)
		add(hf+"mlp.gate_proj", blk+"ffn_gate", matrix, h.hidden, h.ff)
		add(hf+"mlp.up_proj", blk+"ffn_up", matrix, h.hidden, h.ff)
		add(hf+"mlp.down_proj", blk+"ffn_down", ffnDown, h.ff, h.hidden)
		if h.blockSize != 0 {
			diffusion := len(list)
			attention("_diff")
			for i := diffusion; i < len(list); i++ {
				list[i].diff = true
			}
		}
		for i := first; i < len(list); i++ {
			list[i].layer = layer
		}
	}
	add("model.norm", "output_norm", norm, h.hidden)
	if !h.tied {
		add("lm_head", "output", output, h.hidden, h.vocab)
	}
	return list
}

// check tells what makes hyperparameters useless together.
func (h *hparams) check() error {
	switch {
	case h.heads%h.kvHeads != 0:
		return fmt.Errorf("%d attention heads do not share %d key-value heads evenly", h.heads, h.kvHeads)
	case h.headDim%2 != 0:
		return fmt.Errorf("head dimension %d is odd: the rotary embedding needs pairs", h.headDim)
	}
	return nil
}

// arch is the value of general.architecture.
func (h *hparams) arch() string {
	if h.blockSize != 0 {
		return "orthrus"
	}
	return "qwen3"
}
