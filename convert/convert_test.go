package convert

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"orthrus/gguf"
	"orthrus/quant"
)

const demo = "testdata/orthrus-demo-18m"

// demoTensors reads the demo's tensors without the package's own parser.
func demoTensors(t *testing.T) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	paths, _ := filepath.Glob(filepath.Join(demo, "*.safetensors"))
	for _, path := range paths {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data := file[8+binary.LittleEndian.Uint64(file):]
		var header map[string]struct {
			Offsets [2]int `json:"data_offsets"`
		}
		if err := json.Unmarshal(file[8:len(file)-len(data)], &header); err != nil {
			t.Fatal(err)
		}
		delete(header, "__metadata__")
		for name, e := range header {
			all[name] = data[e.Offsets[0]:e.Offsets[1]]
		}
	}
	return all
}

// checkpointNames are the demo's tensor names for some in a GGUF file.
var checkpointNames = map[string]string{
	"token_embd.weight":              "model.embed_tokens.weight",
	"output_norm.weight":             "model.norm.weight",
	"blk.0.attn_norm.weight":         "model.layers.0.input_layernorm.weight",
	"blk.0.attn_q.weight":            "model.layers.0.self_attn.q_proj.weight",
	"blk.1.attn_k.weight":            "model.layers.1.self_attn.k_proj.weight",
	"blk.2.attn_v.weight":            "model.layers.2.self_attn.v_proj.weight",
	"blk.3.attn_v.weight":            "model.layers.3.self_attn.v_proj.weight",
	"blk.3.attn_output.weight":       "model.layers.3.self_attn.o_proj.weight",
	"blk.4.attn_q_norm.weight":       "model.layers.4.self_attn.q_norm.weight",
	"blk.5.attn_k_norm.weight":       "model.layers.5.self_attn.k_norm.weight",
	"blk.6.ffn_norm.weight":          "model.layers.6.post_attention_layernorm.weight",
	"blk.7.ffn_gate.weight":          "model.layers.7.mlp.gate_proj.weight",
	"blk.8.ffn_up.weight":            "model.layers.8.mlp.up_proj.weight",
	"blk.9.ffn_down.weight":          "model.layers.9.mlp.down_proj.weight",
	"blk.10.attn_q_diff.weight":      "model.layers.10.self_attn.q_proj_diff.weight",
	"blk.10.attn_k_diff.weight":      "model.layers.10.self_attn.k_proj_diff.weight",
	"blk.11.attn_v_diff.weight":      "model.layers.11.self_attn.v_proj_diff.weight",
	"blk.11.attn_output_diff.weight": "model.layers.11.self_attn.o_proj_diff.weight",
	"blk.11.attn_q_norm_diff.weight": "model.layers.11.self_attn.q_norm_diff.weight",
	"blk.11.attn_k_norm_diff.weight": "model.layers.11.self_attn.k_norm_diff.weight",
}

// TestDemo converts the demo to every type and compares tensors with what
// quantizing the checkpoint's values at once gives.
func TestDemo(t *testing.T) {
	tensors := demoTensors(t)
	for _, name := range Types() {
		f, report := convertTo(t, demo, Options{Type: name})
		if len(f.Tensors) != 2+12*17 || report.Params != 18624768 || report.Bytes != f.Size() || report.Arch != "orthrus" {
			t.Errorf("%s: %d tensors, report %+v", name, len(f.Tensors), *report)
		}
		for ours, theirs := range checkpointNames {
			got := f.Tensor(ours)
			want := tensors[theirs]
			if got == nil || want == nil {
				t.Fatalf("%s: no tensor %s or %s", name, ours, theirs)
			}
			if got.Type != gguf.BF16 {
				values := make([]float32, len(want)/2)
				quant.Dequantize(gguf.BF16, values, want)
				want = make([]byte, got.Bytes())
				quant.Quantize(got.Type, want, values)
			}
			if !bytes.Equal(got.Data, want) {
				t.Errorf("%s: %s (%v) differs from %s", name, ours, got.Type, theirs)
			}
		}
	}
}

func TestDemoMetadata(t *testing.T) {
	f, _ := convertTo(t, demo, Options{Type: "q4_k_m"})
	want := map[string]any{
		"general.architecture": "orthrus", "general.type": "model", "general.name": "orthrus-demo-18m",
		"general.file_type": uint32(15), "general.quantization_version": uint32(2),
		"orthrus.block_count": uint32(12), "orthrus.context_length": uint32(4096), "orthrus.embedding_length": uint32(256),
		"orthrus.feed_forward_length": uint32(768), "orthrus.vocab_size": uint32(8192),
		"orthrus.attention.head_count": uint32(4), "orthrus.attention.head_count_kv": uint32(2),
		"orthrus.attention.key_length": uint32(128), "orthrus.attention.value_length": uint32(128),
		"orthrus.attention.layer_norm_rms_epsilon": float32(1e-6), "orthrus.rope.freq_base": float32(1e6),
		"orthrus.block_size": uint32(32), "diffusion.shift_logits": true, "tokenizer.ggml.mask_token_id": uint32(8165),
		"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.add_bos_token": false,
		"tokenizer.ggml.eos_token_id": uint32(8162), "tokenizer.ggml.eog_token_ids": []uint32{8162, 8160},
		"tokenizer.ggml.padding_token_id": uint32(8160),
		"general.sampling.temp":           float32(0.6), "general.sampling.top_p": float32(0.95), "general.sampling.top_k": int32(20),
	}
	checkMetadata(t, f.Metadata, want)
	if n := len(want) + 4; len(f.Metadata) != n { // and tokens, types, merges, template
		t.Errorf("%d entries, want %d", len(f.Metadata), n)
	}
	tokens, _ := f.Metadata.Texts("tokenizer.ggml.tokens")
	types, _ := f.Metadata.Ints("tokenizer.ggml.token_type")
	merges, _ := f.Metadata.Texts("tokenizer.ggml.merges")
	if len(tokens) != 8192 || len(types) != 8192 || len(merges) != 7904 || merges[0] != "i n" {
		t.Fatalf("%d tokens, %d types, %d merges", len(tokens), len(types), len(merges))
	}
	for id, want := range map[int]string{0: "!", 8160: "<|endoftext|>", 8164: "</think>", 8165: "[PAD8165]", 8191: "[PAD8191]"} {
		if tokens[id] != want {
			t.Errorf("token %d is %q, want %q", id, tokens[id], want)
		}
	}
	for id, want := range map[int]int64{0: 1, 8159: 1, 8160: 3, 8162: 3, 8163: 4, 8165: 5, 8191: 5} {
		if types[id] != want {
			t.Errorf("token %d has type %d, want %d", id, types[id], want)
		}
	}
	if s, _ := f.Metadata.Text("tokenizer.chat_template"); !strings.HasPrefix(s, "{%- for message in messages %}") {
		t.Errorf("chat template %.60q", s)
	}
}

func checkMetadata(t *testing.T, md gguf.Metadata, want map[string]any) {
	t.Helper()
	for key, value := range want {
		got, ok := md.Lookup(key)
		if !ok || !reflect.DeepEqual(got, value) {
			t.Errorf("%s is %T(%v), want %T(%v)", key, got, got, value, value)
		}
	}
}

func TestARView(t *testing.T) {
	both, _ := convertTo(t, demo, Options{Type: "bf16"})
	ar, report := convertTo(t, demo, Options{Type: "bf16", View: "ar"})
	if report.Arch != "qwen3" || report.DiffType != "" || len(ar.Tensors) != 2+12*11 {
		t.Errorf("%d tensors, report %+v", len(ar.Tensors), *report)
	}
	for _, got := range ar.Tensors {
		want := both.Tensor(got.Name)
		if strings.Contains(got.Name, "diff") || want == nil || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("tensor %s", got.Name)
		}
	}
	for _, kv := range ar.Metadata {
		if strings.Contains(kv.Key, "orthrus") || strings.Contains(kv.Key, "diffusion") || strings.Contains(kv.Key, "mask") {
			t.Errorf("a plain model has %s", kv.Key)
		}
	}
	checkMetadata(t, ar.Metadata, map[string]any{"general.architecture": "qwen3", "qwen3.block_count": uint32(12)})
}

// TestThreads checks that the file does not depend on the number of threads.
func TestThreads(t *testing.T) {
	one, four := filepath.Join(t.TempDir(), "1"), filepath.Join(t.TempDir(), "4")
	convertTo(t, demo, Options{Out: one, Threads: 1})
	convertTo(t, demo, Options{Out: four, Threads: 4})
	a, _ := os.ReadFile(one)
	b, _ := os.ReadFile(four)
	if len(a) == 0 || !bytes.Equal(a, b) {
		t.Error("1 and 4 threads give different files")
	}
}

func TestProgress(t *testing.T) {
	var calls []int64
	_, report := convertTo(t, demo, Options{Type: "bf16", Progress: func(done, total int64) {
		if total != 37249536 { // total_size of the demo's index
			t.Errorf("total %d", total)
		}
		calls = append(calls, done)
	}})
	if !slices.IsSorted(calls) || calls[len(calls)-1] != 37249536 {
		t.Errorf("progress went %v", calls)
	}
	want := []TypeSize{{gguf.BF16, 133, 37224448}, {gguf.F32, 73, 50176}}
	if !slices.Equal(report.Types, want) {
		t.Errorf("report of types %v, want %v", report.Types, want)
	}
}

// TestCancel checks that an interrupted conversion leaves the folder, and an
// older output, as they were.
func TestCancel(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.gguf")
	writeFile(t, out, []byte("older"))
	stop := errors.New("stop")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := Convert(ctx, demo, Options{Out: out, Threads: 2, Progress: func(done, total int64) { cancel(stop) }})
	if !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	entries, _ := os.ReadDir(dir)
	if data, _ := os.ReadFile(out); len(entries) != 1 || string(data) != "older" {
		t.Errorf("left behind: %v, %q", entries, data)
	}
}

func TestOutput(t *testing.T) {
	dir := newTiny(false, true, "BF16").write(t)
	for _, name := range []string{"config.json", singleFile, "tokenizer.json"} {
		if _, err := Convert(t.Context(), dir, Options{Out: filepath.Join(dir, name)}); err == nil || !strings.Contains(err.Error(), "file of the input") {
			t.Errorf("output over %s: %v", name, err)
		}
	}
	t.Chdir(t.TempDir())
	r, err := Convert(t.Context(), dir, Options{})
	if err != nil || r.Path != "tiny-q4_k_m.gguf" {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := Convert(t.Context(), dir, Options{}); err != nil { // replaces it
		t.Error(err)
	}
	openFile(t, r.Path)
}
