package engine_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"orthrus/convert"
	"orthrus/engine"
	"orthrus/engine/cpu"
	"orthrus/gguf"
)

// golden is one case of testdata/demo_decode.json, made by the reference
// implementation in float32.
type golden struct {
	IDs       []int32 `json:"input_ids"`
	AR        []int32 `json:"ar_ids"`
	Diffusion []int32 `json:"diffusion_ids"`
	Accepted  []int   `json:"accepted"`
}

const goldenTokens = 160 // max_new_tokens of the reference

var goldens = sync.OnceValue(func() []golden {
	var file struct{ Cases []golden }
	data, err := os.ReadFile("testdata/demo_decode.json")
	if err == nil {
		err = json.Unmarshal(data, &file)
	}
	if err != nil {
		panic(err)
	}
	return file.Cases
})

var demoFiles struct {
	sync.Mutex
	models map[string]*engine.Model
}

// demo converts the demo checkpoint to the given type, once.
func demo(t testing.TB, typ, diff string) *engine.Model {
	t.Helper()
	demoFiles.Lock()
	defer demoFiles.Unlock()
	if m := demoFiles.models[typ+"/"+diff]; m != nil {
		return m
	}
	dir, err := os.MkdirTemp("", "orthrus-test")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "demo.gguf")
	if _, err := convert.Convert(context.Background(), "../convert/testdata/orthrus-demo-18m",
		convert.Options{Out: out, Type: typ, DiffType: diff, View: "both"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	if demoFiles.models == nil {
		demoFiles.models = map[string]*engine.Model{}
	}
	demoFiles.models[typ+"/"+diff] = m
	return m
}

// newDecoder places a model on a CPU backend of its own.
func newDecoder(t testing.TB, m *engine.Model, threads int, o engine.DecoderOptions) *engine.Decoder {
	t.Helper()
	b := cpu.New(threads)
	t.Cleanup(func() { b.Close() })
	n, err := engine.Place(m, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := engine.NewDecoder(n, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// generate returns the tokens of an answer.
func generate(t testing.TB, d *engine.Decoder, prompt []int32, o engine.GenerateOptions) ([]int32, engine.Stats) {
	t.Helper()
	var ids []int32
	stats, err := d.Generate(context.Background(), prompt, o, func(id int32) bool {
		ids = append(ids, id)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids, stats
}

// TestGoldenDecode holds both modes against the reference's text, and the
// drafts accepted in every step. The reference cuts its last blocks to the
// length it was given, as we do at the end of the context. A draft may differ
// where two logits of the diffusion view are equal but for rounding: two cases
// are allowed.
func TestGoldenDecode(t *testing.T) {
	m := demo(t, "bf16", "bf16")
	other, tokens, steps := 0, 0, 0
	for i, g := range goldens() {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			d := newDecoder(t, m, 0, engine.DecoderOptions{Context: len(g.IDs) + goldenTokens, Cache: gguf.F32})
			ar, _ := generate(t, d, g.IDs, engine.GenerateOptions{Mode: engine.ARMode})
			if !slices.Equal(ar, g.AR) {
				t.Errorf("AR mode gives %v, want %v", ar, g.AR)
			}
			d.Reset()
			ids, stats := generate(t, d, g.IDs, engine.GenerateOptions{Mode: engine.DraftMode})
			if !slices.Equal(ids, g.Diffusion) {
				t.Errorf("draft mode gives %v, want %v", ids, g.Diffusion)
			}
			if !slices.Equal(stats.Accepted, g.Accepted) {
				t.Logf("accepted %v, the reference %v", stats.Accepted, g.Accepted)
				other++
			}
			tokens, steps = tokens+len(ids), steps+len(stats.Accepted)
		})
	}
	t.Logf("%d tokens in %d steps; %d cases accept otherwise than the reference", tokens, steps, other)
	if other > 2 {
		t.Errorf("%d cases accept otherwise than the reference, at most 2 may", other)
	}
}

// TestGoldenLogits holds the logits of both views against the reference's.
func TestGoldenLogits(t *testing.T) {
	m := demo(t, "bf16", "bf16")
	d := newDecoder(t, m, 0, engine.DecoderOptions{Context: 512, Cache: gguf.F32})
	ref := readSafetensors(t, "testdata/demo_activations.safetensors")
	prompt := goldens()[0].IDs
	ar, err := d.Eval(engine.AR, 0, prompt)
	if err != nil {
		t.Fatal(err)
	}
	compareLogits(t, "AR", ar[len(ar)-16:], ref["ar_logits"])
	var block []int32
	for _, v := range ref["diffusion_block"] {
		block = append(block, int32(math.Float32bits(v)))
	}
	diff, err := d.Eval(engine.Diffusion, len(prompt), block)
	if err != nil {
		t.Fatal(err)
	}
	compareLogits(t, "diffusion", diff, ref["diffusion_logits"])
}

func compareLogits(t *testing.T, view string, rows [][]float32, want []float32) {
	t.Helper()
	worst := 0.0
	for i, row := range rows {
		for j, v := range row {
			worst = math.Max(worst, math.Abs(float64(v-want[i*len(row)+j])))
		}
	}
	t.Logf("%s view: largest difference of a logit %.2g", view, worst)
	if !(worst <= 2e-3) {
		t.Errorf("%s view: a logit differs by %g, more than 2e-3", view, worst)
	}
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
