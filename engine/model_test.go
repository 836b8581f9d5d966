package engine_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orthrus/convert"
	"orthrus/engine"
	"orthrus/gguf"
)

// TestLoadErrors spoils one thing of a good file at a time. The file is parsed
// afresh for each, so that a case never sees another's damage.
func TestLoadErrors(t *testing.T) {
	out := filepath.Join(t.TempDir(), "demo.gguf")
	if _, err := convert.Convert(context.Background(), "../convert/testdata/orthrus-demo-18m",
		convert.Options{Out: out, Type: "q8_0", View: "both"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	set := func(key string, value any) func(*gguf.File) {
		return func(f *gguf.File) { f.Metadata.Set(key, value) }
	}
	for _, c := range []struct {
		name, want string
		spoil      func(*gguf.File)
	}{
		{"missing", "blk.12.attn_norm.weight is missing", set("orthrus.block_count", uint32(13))},
		{"unknown", "not part of", set("orthrus.block_count", uint32(11))},
		{"name of several lines", `tensor "a\nb" is not part of`, func(f *gguf.File) { f.Tensors = append(f.Tensors, &gguf.Tensor{Name: "a\nb"}) }},
		{"dimensions", "blk.0.ffn_up.weight has dimensions", func(f *gguf.File) { f.Tensor("blk.0.ffn_up.weight").Dims[1]-- }},
		{"type of a vector", "output_norm.weight has type", func(f *gguf.File) { f.Tensor("output_norm.weight").Type = gguf.F16 }},
		{"type of a matrix", "does not compute with", func(f *gguf.File) { f.Tensor("blk.0.ffn_up.weight").Type = gguf.Type(2000) }},
		{"architecture", "only orthrus and qwen3", set("general.architecture", "llama")},
		{"no heads", "head_count is 0", set("orthrus.attention.head_count", uint32(0))},
		{"heads", "no multiple", set("orthrus.attention.head_count_kv", uint32(3))},
		{"layers", "not supported", set("orthrus.block_count", uint32(1<<30))},
		{"epsilon", "out of range", set("orthrus.attention.layer_norm_rms_epsilon", float32(math.NaN()))},
		{"theta", "out of range", set("orthrus.rope.freq_base", float32(0))},
		{"scaling", "only yarn", set("orthrus.rope.scaling.type", "linear")},
		{"block", "at least 2", set("orthrus.block_size", uint32(1))},
		{"mask", "outside the vocabulary", set("tokenizer.ggml.mask_token_id", uint32(8192))},
	} {
		f, err := gguf.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		c.spoil(f)
		if _, err := engine.Load(f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}
