package convert

import (
	"fmt"
	"strings"

	"orthrus/gguf"
	"orthrus/quant"
)

// quantizationVersion is ggml's GGML_QNT_VERSION: the layout of its blocks.
const quantizationVersion = 2

// DefaultType is the type of a file where none is asked for.
const DefaultType = "q4_k_m"

// recipe says which tensors get which format under one of the names that
// --type takes. The mixes are llama.cpp's (llama_tensor_get_type in
// llama-quant.cpp) for a dense model with grouped query heads.
type recipe struct {
	name     string
	fileType uint32    // general.file_type: llama.cpp's llama_ftype
	base     gguf.Type // matrices that nothing below is about
	output   gguf.Type // the output matrix, or the embedding where it serves as one
	promoted gguf.Type // attn_v and ffn_down of the layers that the rules choose
	attnV    layerRule
	ffnDown  layerRule
	diff     string // default --diff-type beside this --type
}

// The diffusion view's projections decide how many drafts are accepted, never
// the text, hence the cheaper default of the last column.
var recipes = []recipe{
	{"f32", 0, gguf.F32, gguf.F32, gguf.F32, noLayer, noLayer, "f32"},
	{"f16", 1, gguf.F16, gguf.F16, gguf.F16, noLayer, noLayer, "f16"},
	{"bf16", 32, gguf.BF16, gguf.BF16, gguf.BF16, noLayer, noLayer, "bf16"},
	{"q8_0", 7, gguf.Q8_0, gguf.Q8_0, gguf.Q8_0, noLayer, noLayer, "q4_k_m"},
	{"q6_k", 18, gguf.Q6_K, gguf.Q6_K, gguf.Q6_K, noLayer, noLayer, "q4_k_s"},
	{"q5_k_m", 17, gguf.Q5_K, gguf.Q6_K, gguf.Q6_K, moreBits, moreBits, "q4_k_s"},
	{"q4_k_m", 15, gguf.Q4_K, gguf.Q6_K, gguf.Q6_K, moreBits, moreBits, "q4_k_s"},
	{"q4_k_s", 14, gguf.Q4_K, gguf.Q6_K, gguf.Q5_K, firstFour, firstEighth, "q4_k_s"},
	{"q4_0", 2, gguf.Q4_0, gguf.Q6_K, gguf.Q4_0, noLayer, noLayer, "q4_0"},
}

// layerRule chooses some of a model's layers.
type layerRule func(layer, layers int) bool

func noLayer(int, int) bool              { return false }
func firstFour(layer, _ int) bool        { return layer < 4 }
func firstEighth(layer, layers int) bool { return layer < layers/8 }

// moreBits chooses the first and last eighth, and every third layer between.
func moreBits(layer, layers int) bool {
	return layer < layers/8 || layer >= 7*layers/8 || (layer-layers/8)%3 == 2
}

// Types lists the names that Options.Type and Options.DiffType take, from the
// largest files to the smallest.
func Types() []string {
	names := make([]string, len(recipes))
	for i, r := range recipes {
		names[i] = r.name
	}
	return names
}

// TypeName is the name of the type that a file's general.file_type says; ok is
// false if it is none of Types.
func TypeName(fileType uint64) (name string, ok bool) {
	for _, r := range recipes {
		if uint64(r.fileType) == fileType {
			return r.name, true
		}
	}
	return "", false
}

func findRecipe(name string) (recipe, error) {
	for _, r := range recipes {
		if strings.EqualFold(r.name, name) {
			return r, nil
		}
	}
	return recipe{}, fmt.Errorf("type %q is unknown: choose one of %s", name, strings.Join(Types(), ", "))
}

// element is the format of a tensor in a model of h.
func (r recipe) element(s slot, h *hparams) gguf.Type {
	t := r.base
	switch {
	case s.role == norm:
		return gguf.F32
	case s.role == output, s.role == embedding && h.tied:
		t = r.output
	case s.role == attnV && r.attnV(s.layer, h.layers), s.role == ffnDown && r.ffnDown(s.layer, h.layers):
		t = r.promoted
	}
	return quant.Fallback(t, s.dims[0])
}
