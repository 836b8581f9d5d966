package engine_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// smallFile is a model file of a few KB with everything that Load knows.
func smallFile(t testing.TB, arch string, typ gguf.Type, width int) []byte {
	t.Helper()
	c := engine.Config{
		Arch: arch, Layers: 1, Hidden: width, Heads: 2, KVHeads: 1, HeadDim: width / 2, FF: width, Vocab: 8,
		Context: 64, Eps: 1e-6, Rope: engine.NewRope(1e6, width/2),
	}
	md := gguf.Metadata{
		{Key: "general.architecture", Value: arch},
		{Key: "general.name", Value: "small"},
		{Key: "general.sampling.temp", Value: float32(0.6)},
		{Key: "general.sampling.top_k", Value: int32(4)},
		{Key: "general.sampling.top_p", Value: float32(0.95)},
		{Key: "general.sampling.min_p", Value: float32(0.01)},
		{Key: arch + ".block_count", Value: uint32(c.Layers)},
		{Key: arch + ".embedding_length", Value: uint32(c.Hidden)},
		{Key: arch + ".feed_forward_length", Value: uint32(c.FF)},
		{Key: arch + ".context_length", Value: uint32(c.Context)},
		{Key: arch + ".attention.head_count", Value: uint32(c.Heads)},
		{Key: arch + ".attention.head_count_kv", Value: uint32(c.KVHeads)},
		{Key: arch + ".attention.key_length", Value: uint32(c.HeadDim)},
		{Key: arch + ".attention.value_length", Value: uint32(c.HeadDim)},
		{Key: arch + ".attention.layer_norm_rms_epsilon", Value: c.Eps},
		{Key: arch + ".rope.freq_base", Value: float32(c.Rope.Theta)},
		{Key: arch + ".rope.scaling.type", Value: "yarn"},
		{Key: arch + ".rope.scaling.factor", Value: float32(4)},
		{Key: arch + ".rope.scaling.original_context_length", Value: uint32(16)},
		{Key: arch + ".rope.scaling.yarn_beta_fast", Value: float32(32)},
		{Key: arch + ".rope.scaling.yarn_beta_slow", Value: float32(1)},
		{Key: arch + ".rope.scaling.attn_factor", Value: float32(1)},
		{Key: "tokenizer.ggml.eos_token_id", Value: uint32(5)},
		{Key: "tokenizer.ggml.eog_token_ids", Value: []int32{5, 6}},
	}
	if arch == "orthrus" {
		c.BlockSize, c.MaskToken = 4, 7
		md.Set("orthrus.block_size", uint32(c.BlockSize))
		md.Set("diffusion.shift_logits", true)
		md.Set("tokenizer.ggml.mask_token_id", uint32(c.MaskToken))
	}
	m, err := engine.Random(c, false, func(string, int) gguf.Type { return typ })
	if err != nil {
		t.Fatal(err)
	}
	var infos []gguf.TensorInfo
	for _, w := range m.Tensors() {
		infos = append(infos, gguf.TensorInfo{Name: w.Name, Type: w.Type, Dims: w.Dims})
	}
	path := filepath.Join(t.TempDir(), "small.gguf")
	out, err := gguf.Create(path, md, infos)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range m.Tensors() {
		if err := out.WriteAt(i, w.Data, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// checkLoad loads a file of size bytes. Whatever it holds, it must not make Load
// allocate more than it is worth, and what Load accepts must decode.
func checkLoad(t *testing.T, f *gguf.File, size int) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m, err := engine.Load(f)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 256<<10+16*uint64(size) {
		t.Errorf("a file of %d bytes made Load allocate %d", size, got)
	}
	if err != nil {
		if strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000 {
			t.Errorf("error %q", err)
		}
		return
	}
	m.Fingerprint()
	d := newDecoder(t, m, 1, engine.DecoderOptions{Context: 8, Cache: gguf.F32})
	prompt := []int32{0}
	for _, s := range []engine.Sampling{{}, m.Sampling, {Temp: 1, Acceptance: engine.Rejection}} {
		if ids, _ := golden.Generate(t, d, prompt, engine.GenerateOptions{MaxTokens: 6, Sampling: s}); len(ids) == 0 {
			t.Error("no token")
		}
	}
}

// FuzzLoad loads files of any bytes.
func FuzzLoad(f *testing.F) {
	f.Add(smallFile(f, "orthrus", gguf.F32, 4))
	f.Add(smallFile(f, "qwen3", gguf.F16, 4))
	f.Add(smallFile(f, "orthrus", gguf.Q8_0, 32))
	f.Add(smallFile(f, "qwen3", gguf.Q4_0, 32))
	f.Fuzz(func(t *testing.T, data []byte) {
		if file, err := gguf.Parse(data); err == nil {
			checkLoad(t, file, len(data))
		}
	})
}

// FuzzConfig gives some of a good file's keys values of any type: each ten bytes
// of changes are a key, a type and a value.
func FuzzConfig(f *testing.F) {
	data := smallFile(f, "orthrus", gguf.F32, 4)
	f.Add([]byte("\x06\x00\x02\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x13\x04\x00\x00\x80\x3f\x00\x00\x00\x00\x18\x00\x00\x04\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x17\x07\xff\xff\xff\xff\xff\xff\xff\xff\x10\x08\x01\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, changes []byte) {
		file, err := gguf.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		size := len(data) + len(changes)
		for ; len(changes) >= 10; changes = changes[10:] {
			kv := &file.Metadata[int(changes[0])%len(file.Metadata)]
			bits := binary.LittleEndian.Uint64(changes[2:])
			words := []string{"none", "yarn", "linear", "qwen3", "orthrus"}
			values := []any{
				uint32(bits), int32(bits), bits, int64(bits), math.Float32frombits(uint32(bits)), math.Float64frombits(bits), bits&1 == 1,
				slices.Repeat([]int64{int64(bits)}, int(changes[1])/9), words[bits%uint64(len(words))],
			}
			kv.Value = values[int(changes[1])%len(values)]
		}
		checkLoad(t, file, size)
	})
}
