package convert

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"orthrus/gguf"
	"orthrus/quant"
)

// tiny is a small checkpoint for a test to spoil before it is written.
type tiny struct {
	files   map[string]any // JSON files by name
	tensors map[string]tinyTensor
	shards  int // 0: model.safetensors; else so many files
	index   bool
}

type tinyTensor struct {
	dtype string
	shape []int
	data  []byte
}

// newTiny makes a checkpoint of random weights with a vocabulary of 6 tokens
// and unused rows.
func newTiny(orthrus, tied bool, dtype string) *tiny {
	h := &hparams{layers: 2, hidden: 64, ff: 96, heads: 3, kvHeads: 1, headDim: 80, vocab: 11, tied: tied}
	config := map[string]any{
		"model_type": "qwen3", "hidden_act": "silu", "num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 96,
		"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 80, "vocab_size": 11, "max_position_embeddings": 128,
		"rms_norm_eps": 1e-6, "rope_theta": 1e6, "tie_word_embeddings": tied, "attention_bias": false,
		"use_sliding_window": false, "rope_scaling": nil, "eos_token_id": 4, "torch_dtype": "bfloat16",
	}
	if orthrus {
		h.blockSize = 7
		config["model_type"], config["block_size"], config["mask_token_id"] = "orthrus", 7, 9
	}
	c := &tiny{
		files:   map[string]any{"config.json": config, "tokenizer.json": tinyTokenizer()},
		tensors: make(map[string]tinyTensor),
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range h.slots() {
		shape := slices.Clone(s.dims)
		slices.Reverse(shape)
		c.tensors[s.hf] = randomTensor(r, dtype, shape...)
	}
	return c
}

func randomTensor(r *rand.Rand, dtype string, shape ...int) tinyTensor {
	n := 1
	for _, d := range shape {
		n *= d
	}
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(r.NormFloat64())
	}
	t := dtypes[dtype]
	_, width := t.Block()
	data := make([]byte, n*width)
	quant.Quantize(t, data, values)
	return tinyTensor{dtype, shape, data}
}

func tinyTokenizer() map[string]any {
	return map[string]any{
		"version": "1.0", "truncation": nil, "padding": nil,
		"normalizer": map[string]any{"type": "NFC"},
		"pre_tokenizer": map[string]any{"type": "Sequence", "pretokenizers": []any{
			map[string]any{"type": "Split", "pattern": map[string]any{"Regex": qwen2Pattern}, "behavior": "Isolated", "invert": false},
			map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
		}},
		"post_processor": map[string]any{"type": "ByteLevel", "add_prefix_space": true, "use_regex": true},
		"decoder":        map[string]any{"type": "ByteLevel", "add_prefix_space": true, "use_regex": true},
		"model": map[string]any{
			"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": "", "end_of_word_suffix": "",
			"fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
			"vocab":  map[string]any{"a": 0, "b": 1, "ab": 2, "aba": 3},
			"merges": []any{[]any{"a", "b"}, "ab a"},
		},
		"added_tokens": []any{
			map[string]any{"id": 4, "content": "<end>", "special": true},
			map[string]any{"id": 6, "content": "<think>", "special": false},
		},
	}
}

// field is a JSON object inside the file's, along a path of keys.
func (c *tiny) field(path ...string) map[string]any {
	o := c.files[path[0]].(map[string]any)
	for _, key := range path[1:] {
		o = o[key].(map[string]any)
	}
	return o
}

func (c *tiny) config() map[string]any { return c.field("config.json") }

// write writes the checkpoint into a new folder.
func (c *tiny) write(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tiny")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	names := slices.Sorted(maps.Keys(c.tensors))
	weightMap := make(map[string]string)
	for i := range max(c.shards, 1) {
		file := singleFile
		if c.shards > 0 {
			file = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, c.shards)
		}
		var part []string
		for j, name := range names {
			if j%max(c.shards, 1) == i {
				part = append(part, name)
				weightMap[name] = file
			}
		}
		writeFile(t, filepath.Join(dir, file), c.safetensors(part))
	}
	if c.index {
		c.files[indexFile] = map[string]any{"metadata": map[string]any{}, "weight_map": weightMap}
	}
	for name, content := range c.files {
		data, ok := content.([]byte)
		if !ok {
			var err error
			if data, err = json.Marshal(content); err != nil {
				t.Fatal(err)
			}
		}
		writeFile(t, filepath.Join(dir, name), data)
	}
	return dir
}

// safetensors is a file of the named tensors.
func (c *tiny) safetensors(names []string) []byte {
	header := map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	var data []byte
	for _, name := range names {
		t := c.tensors[name]
		header[name] = map[string]any{"dtype": t.dtype, "shape": t.shape, "data_offsets": []int{len(data), len(data) + len(t.data)}}
		data = append(data, t.data...)
	}
	text, _ := json.Marshal(header)
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), data...)
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// convertTo converts a checkpoint and opens the result.
func convertTo(t testing.TB, dir string, o Options) (*gguf.File, *Report) {
	t.Helper()
	if o.Out == "" {
		o.Out = filepath.Join(t.TempDir(), "out.gguf")
	}
	r, err := Convert(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return openFile(t, o.Out), r
}

func openFile(t testing.TB, path string) *gguf.File {
	t.Helper()
	f, err := gguf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
