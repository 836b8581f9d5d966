package convert

import (
	"math"

	"orthrus/gguf"
)

// metadata describes the model in GGUF's keys: llama.cpp's for qwen3, and under
// the prefix "orthrus." for a model with a diffusion view.
func (h *hparams) metadata(name string, fileType uint32) gguf.Metadata {
	arch := h.arch()
	var md gguf.Metadata
	md.Set("general.architecture", arch)
	md.Set("general.type", "model")
	md.Set("general.name", name)
	md.Set("general.file_type", fileType)
	md.Set("general.quantization_version", uint32(quantizationVersion))
	set := func(key string, value any) { md.Set(arch+"."+key, value) }
	set("block_count", uint32(h.layers))
	set("context_length", uint32(h.context))
	set("embedding_length", uint32(h.hidden))
	set("feed_forward_length", uint32(h.ff))
	set("vocab_size", uint32(h.vocab))
	set("attention.head_count", uint32(h.heads))
	set("attention.head_count_kv", uint32(h.kvHeads))
	set("attention.key_length", uint32(h.headDim))
	set("attention.value_length", uint32(h.headDim))
	set("attention.layer_norm_rms_epsilon", float32(h.eps))
	set("rope.freq_base", float32(h.rope.theta))
	if r := h.rope; r.factor != 0 {
		set("rope.scaling.type", "yarn")
		set("rope.scaling.factor", float32(r.factor))
		set("rope.scaling.original_context_length", uint32(r.original))
		if r.attention != nil {
			// In GGUF it multiplies YaRN's own 0.1 ln(factor) + 1, in config.json it
			// replaces that (llama.cpp, llama-context.cpp: yarn_attn_factor).
			set("rope.scaling.attn_factor", float32(*r.attention/(float64(0.1*math.Log(r.factor))+1)))
		}
		if r.betaFast != nil {
			set("rope.scaling.yarn_beta_fast", float32(*r.betaFast))
		}
		if r.betaSlow != nil {
			set("rope.scaling.yarn_beta_slow", float32(*r.betaSlow))
		}
	}
	if h.blockSize != 0 {
		set("block_size", uint32(h.blockSize))
		md.Set("diffusion.shift_logits", true)
		md.Set("tokenizer.ggml.mask_token_id", h.mask)
	}
	return md
}

// addTo writes the vocabulary.
func (v *vocabulary) addTo(md *gguf.Metadata) {
	md.Set("tokenizer.ggml.model", "gpt2")
	md.Set("tokenizer.ggml.pre", "qwen2")
	md.Set("tokenizer.ggml.tokens", v.tokens)
	md.Set("tokenizer.ggml.token_type", v.types)
	md.Set("tokenizer.ggml.merges", v.merges)
	md.Set("tokenizer.ggml.add_bos_token", false)
}

// addTo writes the special tokens, and what is recommended for sampling.
func (g *generation) addTo(md *gguf.Metadata) {
	if len(g.eos) != 0 {
		md.Set("tokenizer.ggml.eos_token_id", g.eos[0])
		md.Set("tokenizer.ggml.eog_token_ids", g.eos)
	}
	if len(g.bos) != 0 {
		md.Set("tokenizer.ggml.bos_token_id", g.bos[0])
	}
	if len(g.pad) != 0 {
		md.Set("tokenizer.ggml.padding_token_id", g.pad[0])
	}
	if g.topK != nil {
		md.Set("general.sampling.top_k", *g.topK)
	}
	for _, s := range []struct {
		key   string
		value *float64
	}{{"top_p", g.topP}, {"min_p", g.minP}, {"temp", g.temp}} {
		if s.value != nil {
			md.Set("general.sampling."+s.key, float32(*s.value))
		}
	}
}

// addTemplates writes chat templates under the keys of gguf-py.
func addTemplates(md *gguf.Metadata, list []chatTemplate) {
	var names []string
	for _, t := range list {
		if t.Name == "default" {
			md.Set("tokenizer.chat_template", t.Template)
			continue
		}
		md.Set("tokenizer.chat_template."+t.Name, t.Template)
		names = append(names, t.Name)
	}
	if names != nil {
		md.Set("tokenizer.chat_templates", names)
	}
}
