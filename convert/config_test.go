package convert

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestConfigRefused(t *testing.T) {
	for _, c := range []struct {
		key   string
		value any
		want  string
	}{
		{"model_type", "qwen3_moe", `model_type: "qwen3_moe" is not supported`},
		{"model_type", "llama", `model_type: "llama" is not supported`},
		{"model_type", nil, `model_type: "" is not supported`},
		{"hidden_act", "gelu", `hidden_act: "gelu" is not supported`},
		{"attention_bias", true, "attention_bias: true is not supported"},
		{"use_sliding_window", true, "use_sliding_window: true is not supported"},
		{"num_experts", 128, "num_experts: mixtures of experts are not supported"},
		{"quantization_config", map[string]any{"quant_method": "fp8"}, "quantization_config: quantized"},
		{"layer_types", []string{"full_attention", "sliding_attention"}, `layer_types: "sliding_attention" in layer 1`},
		{"hidden_size", nil, "hidden_size: missing"},
		{"hidden_size", "64", "hidden_size: unexpected JSON string"},
		{"hidden_size", 0, "hidden_size: 0 is outside 1 to"},
		{"hidden_size", -64, "hidden_size: -64 is outside"},
		{"hidden_size", 64.5, "hidden_size: unexpected JSON number 64.5"},
		{"hidden_size", 1 << 40, "hidden_size: 1099511627776 is outside"},
		{"hidden_size", json.RawMessage("1e400"), "hidden_size: unexpected JSON number 1e400"},
		{"num_hidden_layers", 100000, "num_hidden_layers: 100000 is outside"},
		{"vocab_size", 1 << 30, "vocab_size: 1073741824 is outside"},
		{"num_key_value_heads", 2, "3 attention heads do not share 2 key-value heads"},
		{"head_dim", 81, "head dimension 81 is odd"},
		{"rms_norm_eps", 0, "rms_norm_eps: 0 is not a positive number"},
		{"rms_norm_eps", json.RawMessage("1e-300"), "rms_norm_eps: 1e-300 is not"},
		{"rope_theta", nil, "rope_theta: missing"},
		{"rope_theta", -1, "rope_theta: -1 is not a positive number"},
		{"rope_scaling", map[string]any{"rope_type": "llama3", "factor": 8}, `rope_scaling: rope_type: "llama3" is not supported`},
		{"rope_scaling", map[string]any{"type": "linear", "factor": 8}, `rope_scaling: rope_type: "linear" is not supported`},
		{"rope_scaling", map[string]any{"rope_type": "yarn"}, "rope_scaling: factor: missing"},
		{"rope_scaling", map[string]any{"rope_type": "yarn", "factor": 0.5}, "rope_scaling: factor: 0.5 would shrink"},
		{"rope_scaling", map[string]any{"rope_type": "yarn", "factor": 4, "mscale": 1}, "rope_scaling: mscale: not supported"},
		{"rope_scaling", map[string]any{"rope_type": "yarn", "factor": 4, "truncate": false}, "rope_scaling: truncate: false"},
		{"rope_scaling", map[string]any{"rope_type": "default", "partial_rotary_factor": 0.5}, "rope_scaling: partial_rotary_factor: not supported"},
		{"rope_scaling", 4, "rope_scaling: unexpected JSON number"},
		{"rope_parameters", map[string]any{"rope_theta": 5e5}, "rope_theta: differs from rope_parameters.rope_theta"},
		{"block_size", nil, "block_size: missing"},
		{"block_size", 1, "block_size: 1 leaves no room"},
		{"block_size", 129, "block_size: 129 is outside 1 to 128"},
		{"mask_token_id", nil, "mask_token_id: one token id"},
		{"mask_token_id", 11, "mask_token_id: token 11 is outside"},
		{"mask_token_id", []int{1, 2}, "mask_token_id: one token id"},
		{"mask_token_id", -1, "mask_token_id: token -1 is outside"},
	} {
		config := newTiny(true, true, "F32").config()
		config[c.key] = c.value
		_, err := parseConfig(toObject(t, config))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: error %v, want one with %q", c.key, c.value, err, c.want)
		}
	}
}

func toObject(t testing.TB, v any) *object {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	o, err := parseObject(data)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestRope reads the rotary embedding in all its spellings.
func TestRope(t *testing.T) {
	num := func(f float64) *float64 { return &f }
	for _, c := range []struct {
		fields map[string]any // over rope_theta 1e6 at the top
		want   rope
	}{
		{nil, rope{theta: 1e6}},
		{map[string]any{"rope_theta": nil, "rope_parameters": map[string]any{"rope_theta": 5e6, "rope_type": "default"}}, rope{theta: 5e6}},
		{map[string]any{"rope_parameters": map[string]any{"rope_theta": 1e6, "rope_type": "default"}}, rope{theta: 1e6}},
		{map[string]any{"rope_scaling": map[string]any{"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}}, rope{theta: 1e6, factor: 4, original: 32}},
		{map[string]any{"rope_theta": nil, "rope_parameters": map[string]any{"rope_type": "yarn", "rope_theta": 1e4, "factor": 2, "attention_factor": 1.5, "beta_fast": 16, "beta_slow": 2, "truncate": true}},
			rope{theta: 1e4, factor: 2, original: 128, attention: num(1.5), betaFast: num(16), betaSlow: num(2)}},
	} {
		config := newTiny(false, true, "F32").config()
		maps.Copy(config, c.fields)
		h, err := parseConfig(toObject(t, config))
		if err != nil || !reflect.DeepEqual(h.rope, c.want) {
			t.Errorf("%v: %+v, error %v, want %+v", c.fields, h, err, c.want)
		}
	}
}

// TestYarnMetadata checks YaRN's keys, among them the attention factor, which
// is relative to YaRN's own in GGUF.
func TestYarnMetadata(t *testing.T) {
	c := newTiny(false, true, "F32")
	c.config()["rope_scaling"] = map[string]any{
		"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "attention_factor": 1.25, "beta_fast": 16, "beta_slow": 2}
	f, _ := convertTo(t, c.write(t), Options{})
	checkMetadata(t, f.Metadata, map[string]any{
		"qwen3.context_length": uint32(128), "qwen3.rope.freq_base": float32(1e6), "qwen3.rope.scaling.type": "yarn",
		"qwen3.rope.scaling.factor": float32(4), "qwen3.rope.scaling.original_context_length": uint32(32),
		"qwen3.rope.scaling.attn_factor":    float32(1.25 / (0.1*math.Log(4) + 1)),
		"qwen3.rope.scaling.yarn_beta_fast": float32(16), "qwen3.rope.scaling.yarn_beta_slow": float32(2),
	})
}

func TestGeneration(t *testing.T) {
	c := newTiny(false, true, "F32")
	c.config()["eos_token_id"] = []int{3, 4}
	c.config()["bos_token_id"], c.config()["pad_token_id"] = 1, 2
	f, _ := convertTo(t, c.write(t), Options{})
	checkMetadata(t, f.Metadata, map[string]any{
		"tokenizer.ggml.eos_token_id": uint32(3), "tokenizer.ggml.eog_token_ids": []uint32{3, 4},
		"tokenizer.ggml.bos_token_id": uint32(1), "tokenizer.ggml.padding_token_id": uint32(2),
	})
	for _, kv := range f.Metadata {
		if strings.HasPrefix(kv.Key, "general.sampling.") {
			t.Errorf("%s without a generation_config.json", kv.Key)
		}
	}
	c.files["generation_config.json"] = map[string]any{"eos_token_id": 4, "pad_token_id": nil, "do_sample": false, "temperature": 0.7, "min_p": 0.1}
	f, _ = convertTo(t, c.write(t), Options{})
	checkMetadata(t, f.Metadata, map[string]any{
		"tokenizer.ggml.eos_token_id": uint32(4), "tokenizer.ggml.eog_token_ids": []uint32{4},
		"tokenizer.ggml.padding_token_id": uint32(2),
		"general.sampling.temp":           float32(0), "general.sampling.min_p": float32(0.1),
	})
}

func FuzzConfig(f *testing.F) {
	for _, name := range []string{"config.json", "generation_config.json"} {
		data, err := os.ReadFile(filepath.Join(demo, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	yarn := newTiny(false, true, "F32").config()
	yarn["rope_scaling"] = map[string]any{"rope_type": "yarn", "factor": 4.0, "attention_factor": 1.25, "beta_fast": 16, "beta_slow": 2}
	data, _ := json.Marshal(yarn)
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := parseObject(data)
		if err != nil {
			return
		}
		parseGeneration(o, o, 100)
		parseTemplates(o)
		if o, _ = parseObject(data); o == nil {
			t.Fatal("parsed once only")
		}
		h, err := parseConfig(o)
		if err != nil {
			return
		}
		if h.layers <= 64 {
			for _, s := range h.slots() {
				for _, d := range s.dims {
					if d < 1 || d > maxHeads*maxHeadDim {
						t.Fatalf("%s: dimensions %v", s.gguf, s.dims)
					}
				}
			}
		}
		for _, kv := range h.metadata("name", 0) {
			if v, ok := kv.Value.(float32); ok && !(v > 0 && v <= math.MaxFloat32) {
				t.Fatalf("%s is %g", kv.Key, v)
			}
		}
	})
}
