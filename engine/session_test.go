package engine_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
	"orthrus/quant"
)

// tiny is a model of random weights that computes a pass in microseconds.
func tiny(t testing.TB, typ gguf.Type, layers int) *engine.Model {
	t.Helper()
	m, err := engine.Random(engine.Config{
		Arch: "orthrus", Layers: layers, Hidden: 64, Heads: 2, KVHeads: 1, HeadDim: 32, FF: 96, Vocab: 64,
		Context: 4096, Eps: 1e-6, Rope: engine.NewRope(1e6, 32), BlockSize: 8, MaskToken: 63,
	}, false, func(string, int) gguf.Type { return typ })
	if err != nil {
		t.Fatal(err)
	}
	// Random repeats few rows; here every row is its own, and the weights are
	// large enough that the views disagree.
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, w := range m.Tensors() {
		if w.Rows() == 1 {
			continue
		}
		values := make([]float32, w.Elems())
		for i := range values {
			values[i] = float32(rnd.NormFloat64()) * 0.1
		}
		quant.Quantize(w.Type, w.Data, values)
	}
	return m
}

func save(t testing.TB, d *engine.Decoder) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := d.Save(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSession(t *testing.T) {
	m := tiny(t, gguf.F32, 2)
	for _, cache := range []gguf.Type{gguf.F32, gguf.F16, gguf.Q8_0} {
		o := engine.DecoderOptions{Context: 64, Cache: cache}
		d, e := newDecoder(t, m, 1, o), newDecoder(t, m, 1, o)
		golden.Generate(t, d, []int32{1, 2, 3}, engine.GenerateOptions{MaxTokens: 9})
		data := save(t, d)
		if err := e.Restore(bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(e.Cached(), d.Cached()) {
			t.Errorf("%s: restored %v, saved %v", cache, e.Cached(), d.Cached())
		}
		if !bytes.Equal(save(t, e), data) {
			t.Errorf("%s: a restored cache is saved differently", cache)
		}
	}
}

func TestRestoreErrors(t *testing.T) {
	m := tiny(t, gguf.F32, 2)
	o := engine.DecoderOptions{Context: 64, Cache: gguf.F16}
	d := newDecoder(t, m, 1, o)
	golden.Generate(t, d, []int32{1, 2, 3}, engine.GenerateOptions{MaxTokens: 9})
	data := save(t, d)
	for name, other := range map[string]*engine.Decoder{
		"weights": newDecoder(t, tiny(t, gguf.Q8_0, 2), 1, o),
		"layers":  newDecoder(t, tiny(t, gguf.F32, 1), 1, o),
		"cache":   newDecoder(t, m, 1, engine.DecoderOptions{Context: 64, Cache: gguf.F32}),
	} {
		if err := other.Restore(bytes.NewReader(data)); !errors.Is(err, engine.ErrOtherModel) {
			t.Errorf("other %s: %v, want ErrOtherModel", name, err)
		}
	}
	small := newDecoder(t, m, 1, engine.DecoderOptions{Context: 4, Cache: gguf.F16})
	if err := small.Restore(bytes.NewReader(data)); err == nil {
		t.Error("a cache larger than the context was restored")
	}
	for n := 0; n < len(data); n += 7 {
		if err := d.Restore(bytes.NewReader(data[:n])); err == nil || len(d.Cached()) != 0 {
			t.Fatalf("cut to %d of %d bytes: error %v, %d tokens cached", n, len(data), err, len(d.Cached()))
		}
	}
}

// FuzzRestore: what is restored is what was saved, and whatever it holds can be continued.
func FuzzRestore(f *testing.F) {
	m := tiny(f, gguf.F32, 1)
	d := newDecoder(f, m, 1, engine.DecoderOptions{Context: 16, Cache: gguf.Q8_0})
	golden.Generate(f, d, []int32{1, 2, 3}, engine.GenerateOptions{MaxTokens: 3})
	f.Add(save(f, d))
	d.Reset()
	f.Add(save(f, d))
	f.Fuzz(func(t *testing.T, data []byte) {
		if d.Restore(bytes.NewReader(data)) != nil {
			if len(d.Cached()) != 0 {
				t.Error("an error left tokens in the cache")
			}
			return
		}
		if again := save(t, d); !bytes.HasPrefix(data, again) {
			t.Error("a restored cache is saved differently")
		}
		if text := append(slices.Clone(d.Cached()), 1); len(text) < d.Context() {
			for _, s := range []engine.Sampling{{}, {Temp: 1}, {Temp: 1, TopK: 4, TopP: 0.9, Acceptance: engine.Rejection}} {
				if ids, _ := golden.Generate(t, d, text, engine.GenerateOptions{Sampling: s}); len(ids) == 0 {
					t.Error("no token")
				}
			}
		}
	})
}

// TestMemory: what the diffusion view holds beside the cache grows with neither
// context nor layers.
func TestMemory(t *testing.T) {
	memory := func(layers, context int) engine.Memory {
		return newDecoder(t, tiny(t, gguf.F32, layers), 1, engine.DecoderOptions{Context: context, Cache: gguf.F16, Chunk: 8}).Memory()
	}
	// Rows of 64 (x, h, q, att), 32 (k, v) and 96 (gate, up), and logits.
	const want = 8 * (4*64 + 2*32 + 2*96 + 64) * 4
	for _, layers := range []int{1, 4} {
		for _, context := range []int{64, 4096} {
			got := memory(layers, context)
			if got.Activations != want || got.Cache != int64(layers*context*32*2*2) {
				t.Errorf("%d layers, context %d: %+v, want activations %d", layers, context, got, want)
			}
		}
	}
}
