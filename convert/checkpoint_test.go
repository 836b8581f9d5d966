package convert

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orthrus/gguf"
	"orthrus/quant"
)

// TestShapes converts checkpoints of odd sizes in every layout of files and
// compares every value.
func TestShapes(t *testing.T) {
	for _, c := range []struct {
		name          string
		orthrus, tied bool
		dtype         string
		shards        int
		index         bool
	}{
		{"tied in one file", true, true, "F32", 0, false},
		{"untied, shards without index", true, false, "F16", 2, false},
		{"untied, shards with index", true, false, "BF16", 3, true},
		{"plain, one shard with index", false, false, "F32", 1, true},
		{"plain tied", false, true, "BF16", 0, false},
	} {
		tiny := newTiny(c.orthrus, c.tied, c.dtype)
		tiny.shards, tiny.index = c.shards, c.index
		dir := tiny.write(t)
		f, report := convertTo(t, dir, Options{Type: "f32"})
		if len(f.Tensors) != len(tiny.tensors) || (report.Arch == "orthrus") != c.orthrus {
			t.Fatalf("%s: %d tensors, report %+v", c.name, len(f.Tensors), *report)
		}
		h := &hparams{layers: 2, hidden: 64, ff: 96, heads: 3, kvHeads: 1, headDim: 80, vocab: 11, tied: c.tied}
		if c.orthrus {
			h.blockSize = 7
		}
		for _, s := range h.slots() {
			src := tiny.tensors[s.hf]
			want := make([]float32, f.Tensor(s.gguf).Elems())
			quant.Dequantize(dtypes[c.dtype], want, src.data)
			got := make([]float32, len(want))
			quant.Dequantize(gguf.F32, got, f.Tensor(s.gguf).Data)
			for i := range want {
				if got[i] != want[i] {
					t.Fatalf("%s: %s: value %d is %g, want %g", c.name, s.gguf, i, got[i], want[i])
				}
			}
		}
		// Rows of 64, 96 and 240 values: no multiples of 256, and 240 none of 32.
		f, _ = convertTo(t, dir, Options{Type: "q4_k_m"})
		for name, want := range map[string]gguf.Type{
			"blk.0.attn_q.weight": gguf.Q8_0, "blk.0.ffn_down.weight": gguf.Q8_0,
			"blk.0.attn_output.weight": gguf.F16, "blk.1.attn_norm.weight": gguf.F32,
		} {
			if got := f.Tensor(name).Type; got != want {
				t.Errorf("%s: %s is %v, want %v", c.name, name, got, want)
			}
		}
	}
}

// TestRefused spoils checkpoints one way each, and expects an error that names
// what is wrong and leaves no output.
func TestRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	rename := func(from, to string) func(c *tiny) {
		return func(c *tiny) {
			c.tensors[to] = c.tensors[from]
			delete(c.tensors, from)
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(c *tiny)
		want  string
	}{
		{"tensor missing", func(c *tiny) { delete(c.tensors, "model.layers.1.mlp.up_proj.weight") }, "tensors missing for a model of architecture orthrus and these hyperparameters: model.layers.1.mlp.up_proj.weight"},
		{"tensor unknown", func(c *tiny) { c.tensors["model.layers.0.self_attn.q_proj.bias"] = randomTensor(r, "F32", 240) }, "hyperparameters: model.layers.0.self_attn.q_proj.bias"},
		{"layer unknown", rename("model.norm.weight", "model.layers.2.norm.weight"), "tensors missing for a model of architecture orthrus and these hyperparameters: model.norm.weight"},
		{"diffusion view without the model type", func(c *tiny) { c.config()["model_type"] = "qwen3" }, "tensors unknown in a model of architecture qwen3 and these hyperparameters: model.layers.0.self_attn.k_norm_diff.weight, "},
		{"plain weights with the model type", func(c *tiny) {
			for name := range c.tensors {
				if strings.Contains(name, "_diff") {
					delete(c.tensors, name)
				}
			}
		}, "tensors missing for a model of architecture orthrus and these hyperparameters: model.layers.0.self_attn.q_proj_diff.weight, "},
		{"shape", func(c *tiny) { c.tensors["model.norm.weight"] = randomTensor(r, "F32", 65) }, "model.norm.weight ([65], not [64])"},
		{"shape transposed", func(c *tiny) { c.tensors["lm_head.weight"] = randomTensor(r, "F32", 64, 11) }, "lm_head.weight ([11 64], not [64 11])"},
		{"number of dimensions", func(c *tiny) { c.tensors["lm_head.weight"] = randomTensor(r, "F32", 1, 11, 64) }, "lm_head.weight ([64 11 1], not [64 11])"},
		{"tied with another output", func(c *tiny) { c.config()["tie_word_embeddings"] = true }, "lm_head.weight differs"},
		{"dtype", func(c *tiny) {
			t := c.tensors["model.norm.weight"]
			t.dtype = "F8_E4M3"
			c.tensors["model.norm.weight"] = t
		}, `tensor "model.norm.weight": dtype "F8_E4M3" is not supported`},
		{"not a number", func(c *tiny) {
			binary.LittleEndian.PutUint32(c.tensors["lm_head.weight"].data[40:], math.Float32bits(float32(math.NaN())))
		}, "tensor output.weight holds NaN"},
		{"beyond f16", func(c *tiny) {
			binary.LittleEndian.PutUint32(c.tensors["lm_head.weight"].data[40:], math.Float32bits(7e4))
		}, "tensor output.weight holds 70000, which f16 cannot"},
		{"no config", func(c *tiny) { delete(c.files, "config.json") }, "config.json"},
		{"no tokenizer", func(c *tiny) { delete(c.files, "tokenizer.json") }, "tokenizer.json"},
		{"config no JSON", func(c *tiny) { c.files["config.json"] = []byte(`{"model_type": qwen3}`) }, "config.json: not JSON"},
		{"config deep", func(c *tiny) { c.files["config.json"] = bytes.Repeat([]byte("["), maxConfig-1) }, "config.json: not JSON"},
		{"config huge", func(c *tiny) { c.files["config.json"] = bytes.Repeat([]byte(" "), maxConfig+1) }, "over 1 MiB"},
		{"eos outside", func(c *tiny) { c.config()["eos_token_id"] = []int{4, 11} }, "config.json: eos_token_id: token 11 is outside"},
		{"generation", func(c *tiny) { c.files["generation_config.json"] = map[string]any{"top_p": 2} }, "generation_config.json: top_p: 2 is outside"},
		{"top_k", func(c *tiny) { c.files["generation_config.json"] = map[string]any{"top_k": -1} }, "generation_config.json: top_k: -1 is negative"},
	} {
		tiny := newTiny(true, false, "F32")
		c.spoil(tiny)
		dir, out := tiny.write(t), t.TempDir()
		_, err := Convert(t.Context(), dir, Options{Type: "f16", Out: filepath.Join(out, "out.gguf")})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
		if left, _ := os.ReadDir(out); len(left) != 0 {
			t.Errorf("%s: left %v", c.name, left)
		}
	}
}

func TestOptionsRefused(t *testing.T) {
	plain, orthrus := newTiny(false, true, "F32").write(t), newTiny(true, true, "F32").write(t)
	for _, c := range []struct {
		dir  string
		o    Options
		want string
	}{
		{plain, Options{Type: "q3_k"}, `type "q3_k" is unknown: choose one of f32, f16,`},
		{orthrus, Options{DiffType: "q3"}, `type "q3" is unknown`},
		{plain, Options{View: "diffusion"}, `view "diffusion" is unknown`},
		{plain, Options{DiffType: "q8_0"}, "the output has none"},
		{orthrus, Options{DiffType: "q8_0", View: "ar"}, "the output has none"},
		{orthrus, Options{Out: filepath.Join(orthrus, "none", "out.gguf")}, "none"},
	} {
		if c.o.Out == "" {
			c.o.Out = filepath.Join(t.TempDir(), "out.gguf")
		}
		if _, err := Convert(t.Context(), c.dir, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", c.o, err, c.want)
		}
	}
}

// TestTiedOutput checks that a stored copy of the embedding is dropped.
func TestTiedOutput(t *testing.T) {
	c := newTiny(false, true, "BF16")
	c.tensors["lm_head.weight"] = c.tensors["model.embed_tokens.weight"]
	f, report := convertTo(t, c.write(t), Options{})
	if f.Tensor("output.weight") != nil || len(report.Notes) != 1 || !strings.Contains(report.Notes[0], "lm_head.weight") {
		t.Errorf("notes %q", report.Notes)
	}
}

func TestIndexRefused(t *testing.T) {
	const first = "model-00001-of-00002.safetensors"
	for _, c := range []struct {
		name  string
		spoil func(weightMap map[string]string)
		want  string
	}{
		{"parent folder", func(m map[string]string) { m["model.norm.weight"] = "../" + first }, "not the name of a safetensors file"},
		{"other separator", func(m map[string]string) { m["model.norm.weight"] = `sub\` + first }, "not the name of a safetensors file"},
		{"drive", func(m map[string]string) { m["model.norm.weight"] = "C:" + first }, "not the name of a safetensors file"},
		{"absolute", func(m map[string]string) { m["model.norm.weight"] = "/etc/passwd" }, "not the name of a safetensors file"},
		{"other file", func(m map[string]string) { m["model.norm.weight"] = "config.json" }, "not the name of a safetensors file"},
		{"no such file", func(m map[string]string) { m["model.norm.weight"] = "model-00003.safetensors" }, "model-00003.safetensors: no such file or directory: model.safetensors.index.json names it: is the download whole?"},
		{"wrong file", func(m map[string]string) {
			for name := range m {
				m[name] = first
			}
		}, "is not in " + first},
		{"tensor without entry", func(m map[string]string) { delete(m, "model.norm.weight") }, `"model.norm.weight" of model-00002-of-00002.safetensors is missing`},
		{"tensor that is nowhere", func(m map[string]string) { m["model.x.weight"] = first }, `"model.x.weight" is not in ` + first},
		{"empty", func(m map[string]string) { clear(m) }, "weight_map: missing or empty"},
	} {
		tiny := newTiny(false, true, "F32")
		tiny.shards, tiny.index = 2, true
		tiny.write(t) // fills in the index
		m := tiny.files[indexFile].(map[string]any)["weight_map"].(map[string]string)
		c.spoil(m)
		tiny.index = false
		_, err := Convert(t.Context(), tiny.write(t), Options{Out: filepath.Join(t.TempDir(), "out.gguf")})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestDuplicateAcrossFiles(t *testing.T) {
	dir := newTiny(false, true, "F32").write(t)
	data, err := os.ReadFile(filepath.Join(dir, singleFile))
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(dir, singleFile))
	writeFile(t, filepath.Join(dir, "a.safetensors"), data)
	writeFile(t, filepath.Join(dir, "b.safetensors"), data)
	if _, err := Convert(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "is in a.safetensors too") {
		t.Errorf("error %v", err)
	}
}

// TestNoFolder checks what is no folder of a checkpoint, and files that are
// folders.
func TestNoFolder(t *testing.T) {
	for _, c := range []struct{ dir, want string }{
		{"no/such/folder", "give a checkpoint's folder, or ORG/MODEL"},
		{"", "give a checkpoint's folder, or ORG/MODEL"},
		{"testdata", "testdata/config.json: no such file or directory: is testdata a checkpoint in the Hugging Face layout?"},
	} {
		_, err := Convert(t.Context(), c.dir, Options{})
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %s", c.dir, err, c.want)
		}
	}
	dir := newTiny(false, true, "F32").write(t)
	os.Remove(filepath.Join(dir, singleFile))
	if _, err := Convert(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "no *.safetensors") {
		t.Errorf("error %v", err)
	}
	os.Mkdir(filepath.Join(dir, singleFile), 0o777)
	if _, err := Convert(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("error %v", err)
	}
	if _, err := Convert(t.Context(), filepath.Join(dir, "config.json"), Options{}); err == nil || !strings.Contains(err.Error(), "not a folder") {
		t.Errorf("error %v", err)
	}
}
