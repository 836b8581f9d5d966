package convert

import (
	"fmt"
	"slices"
	"testing"

	"orthrus/gguf"
)

// TestMixes counts types of Qwen3's real shapes, as llama.cpp's quantizer
// chooses them.
func TestMixes(t *testing.T) {
	qwen8b := &hparams{layers: 36, hidden: 4096, ff: 12288, heads: 32, kvHeads: 8, headDim: 128, vocab: 151936}
	qwen06b := &hparams{layers: 28, hidden: 1024, ff: 3072, heads: 16, kvHeads: 8, headDim: 128, vocab: 151936, tied: true}
	for _, c := range []struct {
		h    *hparams
		name string
		want map[gguf.Type]int
	}{
		{qwen8b, "f32", map[gguf.Type]int{gguf.F32: 254 + 145}},
		{qwen8b, "bf16", map[gguf.Type]int{gguf.BF16: 254, gguf.F32: 145}},
		{qwen8b, "q8_0", map[gguf.Type]int{gguf.Q8_0: 254, gguf.F32: 145}},
		{qwen8b, "q6_k", map[gguf.Type]int{gguf.Q6_K: 254, gguf.F32: 145}},
		{qwen8b, "q5_k_m", map[gguf.Type]int{gguf.Q5_K: 217, gguf.Q6_K: 37, gguf.F32: 145}},
		{qwen8b, "q4_k_m", map[gguf.Type]int{gguf.Q4_K: 217, gguf.Q6_K: 37, gguf.F32: 145}},
		{qwen8b, "q4_k_s", map[gguf.Type]int{gguf.Q4_K: 245, gguf.Q5_K: 8, gguf.Q6_K: 1, gguf.F32: 145}},
		{qwen8b, "q4_0", map[gguf.Type]int{gguf.Q4_0: 253, gguf.Q6_K: 1, gguf.F32: 145}},
		{qwen06b, "q4_k_m", map[gguf.Type]int{gguf.Q4_K: 168, gguf.Q6_K: 29, gguf.F32: 113}},
		{qwen06b, "q4_k_s", map[gguf.Type]int{gguf.Q4_K: 189, gguf.Q5_K: 7, gguf.Q6_K: 1, gguf.F32: 113}},
	} {
		r, err := findRecipe(c.name)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[gguf.Type]int)
		for _, s := range c.h.slots() {
			got[r.element(s, c.h)]++
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%d layers in %s: %v, want %v", c.h.layers, c.name, got, c.want)
		}
	}
}

// TestPlaces checks which tensors are the promoted ones.
func TestPlaces(t *testing.T) {
	h := &hparams{layers: 16, hidden: 256, ff: 512, heads: 2, kvHeads: 1, headDim: 128, vocab: 1000}
	types := func(name string, h *hparams) map[string]gguf.Type {
		r, err := findRecipe(name)
		if err != nil {
			t.Fatal(err)
		}
		m := make(map[string]gguf.Type)
		for _, s := range h.slots() {
			m[s.gguf] = r.element(s, h)
		}
		return m
	}
	tied := *h
	tied.tied = true
	m, small, joined := types("q4_k_m", h), types("q4_k_s", h), types("q4_k_m", &tied)
	if m["token_embd.weight"] != gguf.Q4_K || m["output.weight"] != gguf.Q6_K || joined["token_embd.weight"] != gguf.Q6_K {
		t.Errorf("embedding %v, output %v, tied embedding %v", m["token_embd.weight"], m["output.weight"], joined["token_embd.weight"])
	}
	more := []int{0, 1, 4, 7, 10, 13, 14, 15} // of 16: the first and last two, and every third from 2+2
	for layer := range h.layers {
		for _, c := range []struct {
			types    map[string]gguf.Type
			tensor   string
			promoted bool
			to       gguf.Type
		}{
			{m, "attn_v", slices.Contains(more, layer), gguf.Q6_K},
			{m, "ffn_down", slices.Contains(more, layer), gguf.Q6_K},
			{m, "attn_q", false, 0},
			{small, "attn_v", layer < 4, gguf.Q5_K},
			{small, "ffn_down", layer < 2, gguf.Q5_K},
			{small, "ffn_up", false, 0},
		} {
			want := gguf.Q4_K
			if c.promoted {
				want = c.to
			}
			if name := fmt.Sprintf("blk.%d.%s.weight", layer, c.tensor); c.types[name] != want {
				t.Errorf("%s is %v, want %v", name, c.types[name], want)
			}
		}
	}
}

// TestDiffType checks that the diffusion projections, and only they, follow
// their own type, with the defaults of the table.
func TestDiffType(t *testing.T) {
	f, report := convertTo(t, demo, Options{Type: "q8_0", DiffType: "Q4_0"})
	if report.DiffType != "q4_0" {
		t.Errorf("report %+v", *report)
	}
	for _, c := range []struct {
		tensor string
		want   gguf.Type
	}{
		{"blk.0.attn_q.weight", gguf.Q8_0}, {"token_embd.weight", gguf.Q8_0}, {"blk.0.attn_q_norm_diff.weight", gguf.F32},
		{"blk.0.attn_q_diff.weight", gguf.Q4_0}, {"blk.11.attn_v_diff.weight", gguf.Q4_0}, {"blk.5.attn_output_diff.weight", gguf.Q4_0},
	} {
		if got := f.Tensor(c.tensor).Type; got != c.want {
			t.Errorf("%s is %v, want %v", c.tensor, got, c.want)
		}
	}
	for i, r := range recipes {
		if slices.Index(Types(), r.diff) < i {
			t.Errorf("beside %s the default is %q", r.name, r.diff)
		}
	}
}
