package engine_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/engine/cpu"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// place puts a model on a CPU backend of its own.
func place(t testing.TB, m *engine.Model, threads int) *engine.Net {
	t.Helper()
	return golden.Place(t, m, cpu.New(threads))
}

// newDecoder is a decoder of a model that is placed for it alone.
func newDecoder(t testing.TB, m *engine.Model, threads int, o engine.DecoderOptions) *engine.Decoder {
	t.Helper()
	return golden.Decoder(t, place(t, m, threads), o)
}

// TestGoldenDecode holds both modes against the reference's text.
func TestGoldenDecode(t *testing.T) {
	golden.Decode(t, place(t, golden.Model(t, "bf16"), 0), golden.Every(t, 1), 0)
}

// TestGoldenLogits holds the logits of both views against the reference's.
func TestGoldenLogits(t *testing.T) {
	m := golden.Model(t, "bf16")
	d := newDecoder(t, m, 0, engine.DecoderOptions{Context: 512, Cache: gguf.F32})
	ref := readSafetensors(t, "testdata/demo_activations.safetensors")
	want := func(name string) [][]float32 { return slices.Collect(slices.Chunk(ref[name], m.Vocab)) }
	prompt := golden.Cases(t)[0].IDs
	ar, err := d.Eval(engine.AR, 0, prompt)
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "AR", ar[len(ar)-16:], want("ar_logits"), 2e-3)
	var block []int32
	for _, v := range ref["diffusion_block"] {
		block = append(block, int32(math.Float32bits(v)))
	}
	diff, err := d.Eval(engine.Diffusion, len(prompt), block)
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "diffusion", diff, want("diffusion_logits"), 2e-3)
}

// readSafetensors reads the 4-byte values of a trusted file as float32 bits.
func readSafetensors(t *testing.T, path string) map[string][]float32 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(data)
	var header map[string]json.RawMessage
	if err := json.Unmarshal(data[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	tensors := map[string][]float32{}
	for name, raw := range header {
		var info struct {
			Offsets []int `json:"data_offsets"`
		}
		if name == "__metadata__" {
			continue
		}
		if err := json.Unmarshal(raw, &info); err != nil {
			t.Fatal(err)
		}
		bytes := data[8+int(n)+info.Offsets[0] : 8+int(n)+info.Offsets[1]]
		for ; len(bytes) > 0; bytes = bytes[4:] {
			tensors[name] = append(tensors[name], math.Float32frombits(binary.LittleEndian.Uint32(bytes)))
		}
	}
	return tensors
}
