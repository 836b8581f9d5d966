//go:build (emulator && linux) || gpu

package cuda

import (
	"bytes"
	"encoding/json"
	"fmt"
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

// golden is a case of engine/testdata/demo_decode.json, made by the reference implementation in float32.
type golden struct {
	IDs       []int32 `json:"input_ids"`
	AR        []int32 `json:"ar_ids"`
	Diffusion []int32 `json:"diffusion_ids"`
	Accepted  []int   `json:"accepted"`
}

const goldenTokens = 160 // max_new_tokens of the reference

func goldens(t testing.TB) []golden {
	t.Helper()
	var file struct{ Cases []golden }
	data, err := os.ReadFile("../engine/testdata/demo_decode.json")
	if err == nil {
		err = json.Unmarshal(data, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file.Cases
}

var demos sync.Map // of *engine.Model, by type

// demo converts the demo checkpoint to a type.
func demo(t testing.TB, typ string) *engine.Model {
	t.Helper()
	if m, ok := demos.Load(typ); ok {
		return m.(*engine.Model)
	}
	out := filepath.Join(t.TempDir(), "demo.gguf")
	if _, err := convert.Convert(t.Context(), "../convert/testdata/orthrus-demo-18m",
		convert.Options{Out: out, Type: typ, DiffType: typ, View: "both"}); err != nil {
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
	demos.Store(typ, m)
	return m
}

// place puts a model on the device.
func place(t testing.TB, m *engine.Model) *engine.Net {
	t.Helper()
	b := newBackend(fastDevice(t), "cuda:0")
	t.Cleanup(func() { b.Close() })
	n, err := engine.Place(m, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newDecoder(t testing.TB, n *engine.Net, o engine.DecoderOptions) *engine.Decoder {
	t.Helper()
	d, err := engine.NewDecoder(n, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func generate(t testing.TB, d *engine.Decoder, prompt []int32, o engine.GenerateOptions) ([]int32, engine.Stats) {
	t.Helper()
	var ids []int32
	stats, err := d.Generate(t.Context(), prompt, o, func(id int32) bool {
		ids = append(ids, id)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids, stats
}

// TestGolden holds both modes against the reference's text.
func TestGolden(t *testing.T) {
	n := place(t, demo(t, "bf16"))
	all := goldens(t)
	o := engine.GenerateOptions{}
	if !thorough {
		all, o.MaxTokens = all[:1], 8
	}
	other := 0
	for i, g := range all {
		// The reference cuts its last blocks to the length it was given, as we do at the end of the context.
		d := newDecoder(t, n, engine.DecoderOptions{Context: len(g.IDs) + goldenTokens, Cache: gguf.F32, Chunk: 64})
		o.Mode = engine.ARMode
		if ids, _ := generate(t, d, g.IDs, o); !equalStart(ids, g.AR, o.MaxTokens) {
			t.Errorf("case %d: AR mode gives %v, want %v", i, ids, g.AR)
		}
		d.Reset()
		o.Mode = engine.DraftMode
		ids, stats := generate(t, d, g.IDs, o)
		if !equalStart(ids, g.Diffusion, o.MaxTokens) {
			t.Errorf("case %d: draft mode gives %v, want %v", i, ids, g.Diffusion)
		}
		if o.MaxTokens == 0 && !slices.Equal(stats.Accepted, g.Accepted) {
			other++
		}
	}
	t.Logf("%d cases, %d of them accept otherwise than the reference in a step", len(all), other)
	// A draft may differ where two logits of the diffusion view are equal but for rounding.
	if other > 2 {
		t.Errorf("%d cases accept otherwise than the reference, at most 2 may", other)
	}
}

// equalStart compares the first n tokens, or all if n is 0.
func equalStart(got, want []int32, n int) bool {
	if n > 0 {
		want = want[:min(n, len(want))]
	}
	return slices.Equal(got, want)
}

// TestLogits holds the logits of both views against the CPU backend's.
func TestLogits(t *testing.T) {
	for _, typ := range []string{"f32", "bf16", "q8_0", "q4_k_m"} {
		m := demo(t, typ)
		n := place(t, m)
		b := cpu.New(0)
		defer b.Close()
		onCPU, err := engine.Place(m, b, nil)
		if err != nil {
			t.Fatal(err)
		}
		o := engine.DecoderOptions{Context: 256, Cache: gguf.F32}
		d, reference := newDecoder(t, n, o), newDecoder(t, onCPU, o)
		text := goldens(t)[0].IDs[:20]
		for _, view := range []engine.View{engine.AR, engine.Diffusion} {
			got, err := d.Eval(view, 0, text)
			if err != nil {
				t.Fatal(err)
			}
			want, err := reference.Eval(view, 0, text)
			if err != nil {
				t.Fatal(err)
			}
			// A last bit of attention turns into a step of rounding where activations become int8, and that into more of
			// them in the next layer, up to the noise of the type. The first row sees one key, so nothing rounds.
			limit := 2e-4
			if typ[0] == 'q' && view == engine.AR {
				compare(t, typ+", first row", got[:1], want[:1], limit)
			}
			if typ[0] == 'q' {
				limit = 1.5
			}
			compare(t, fmt.Sprint(typ, ", ", view, " view"), got, want, limit)
		}
	}
}

func compare(t *testing.T, name string, got, want [][]float32, limit float64) {
	t.Helper()
	worst := 0.0
	for i := range want {
		for j := range want[i] {
			worst = max(worst, abs(float64(got[i][j])-float64(want[i][j])))
		}
	}
	t.Logf("%s: largest difference of a logit %.2g", name, worst)
	if !(worst <= limit) {
		t.Errorf("%s: a logit differs by %g, more than %g", name, worst, limit)
	}
}

func abs(x float64) float64 { return max(x, -x) }

// way is a way to decode that must not change a single token.
type way struct {
	mode         engine.Mode
	block, chunk int
	restored     bool // the cache comes from a saved session
}

var ways = []way{
	{mode: engine.DraftMode, block: 2, chunk: 7},
	{mode: engine.DraftMode, block: 7},
	{mode: engine.DraftMode, block: 16, restored: true},
	{mode: engine.DraftMode, block: 32, chunk: 100, restored: true},
	{mode: engine.Auto, chunk: 33},
}

// TestOneOutput holds draft-and-verify decoding against AR decoding, greedy and sampled.
func TestOneOutput(t *testing.T) {
	types, prompts, tokens := []string{"f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"}, goldens(t), 40
	if !thorough {
		types, prompts, tokens = []string{"q4_k_m"}, prompts[3:4], 8
	}
	caches := []gguf.Type{gguf.F16, gguf.Q8_0}
	for i, typ := range types {
		t.Run(typ, func(t *testing.T) {
			n := place(t, demo(t, typ))
			options := engine.DecoderOptions{Context: 256, Cache: caches[i%len(caches)]}
			ar := newDecoder(t, n, options)
			var decoders []*engine.Decoder
			for _, v := range ways {
				o := options
				o.Chunk = v.chunk
				decoders = append(decoders, newDecoder(t, n, o))
			}
			for j := 0; j < len(prompts); j += 4 {
				prompt := prompts[j].IDs
				o := engine.GenerateOptions{Mode: engine.ARMode, MaxTokens: tokens}
				if j%8 == 4 {
					o.Sampling = engine.Sampling{Temp: 0.8, TopK: 40, TopP: 0.95, Seed: uint64(j)}
				}
				ar.Reset()
				want, _ := generate(t, ar, prompt, o)
				for k, v := range ways {
					d := decoders[k]
					d.Reset()
					if v.restored {
						var saved bytes.Buffer
						if err := ar.Save(&saved); err != nil {
							t.Fatal(err)
						}
						if err := d.Restore(&saved); err != nil {
							t.Fatal(err)
						}
					}
					o.Mode, o.Block = v.mode, v.block
					got, stats := generate(t, d, prompt, o)
					if !slices.Equal(got, want) {
						t.Errorf("prompt %d, %+v: %v, AR mode gives %v", j, v, got, want)
					}
					if cached := stats.Cached == len(prompt)-1; cached != v.restored {
						t.Errorf("prompt %d, %+v: %d tokens from the cache", j, v, stats.Cached)
					}
				}
			}
		})
	}
}

// TestRows holds the logits of passes of many rows, bit by bit, against those of passes of one row.
func TestRows(t *testing.T) {
	rows, start := 33, 1010
	if !thorough {
		rows, start = 5, 60
	}
	var text []int32
	for _, g := range goldens(t) {
		text = append(append(text, g.IDs...), g.AR...)
	}
	text = text[:start+rows]
	for _, c := range []struct {
		typ   string
		cache gguf.Type
	}{{"f32", gguf.F32}, {"bf16", gguf.F16}, {"q8_0", gguf.Q8_0}, {"q4_k_m", gguf.F16}, {"q6_k", gguf.Q8_0}} {
		t.Run(fmt.Sprint(c.typ, "/", c.cache), func(t *testing.T) {
			d := newDecoder(t, place(t, demo(t, c.typ)), engine.DecoderOptions{Context: start + rows, Cache: c.cache})
			if _, err := d.Eval(engine.AR, 0, text[:start]); err != nil {
				t.Fatal(err)
			}
			var want [][]float32
			for i := start; i < len(text); i++ {
				row, err := d.Eval(engine.AR, i, text[i:i+1])
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, row[0])
			}
			for n := 2; n <= rows; n++ {
				got, err := d.Eval(engine.AR, start, text[start:start+n])
				if err != nil {
					t.Fatal(err)
				}
				for i, row := range got {
					if !slices.Equal(row, want[i]) {
						t.Fatalf("row %d of a pass of %d rows differs from a pass of its own", i, n)
					}
				}
			}
		})
	}
}

// TestContexts decodes in two contexts at the same time.
func TestContexts(t *testing.T) {
	n := place(t, demo(t, "q4_0"))
	o := engine.DecoderOptions{Context: 128, Cache: gguf.F16}
	prompts := goldens(t)
	tokens := 6
	if thorough {
		tokens = 60
	}
	var want [2][]int32
	for i := range want {
		want[i], _ = generate(t, newDecoder(t, n, o), prompts[i].IDs, engine.GenerateOptions{Mode: engine.ARMode, MaxTokens: tokens})
	}
	decoders := []*engine.Decoder{newDecoder(t, n, o), newDecoder(t, n, o)}
	if !thorough { // the emulator has one queue
		for i, d := range decoders {
			if got, _ := generate(t, d, prompts[i].IDs, engine.GenerateOptions{MaxTokens: tokens}); !slices.Equal(got, want[i]) {
				t.Errorf("context %d: %v, want %v", i, got, want[i])
			}
		}
		return
	}
	var wg sync.WaitGroup
	for i, d := range decoders {
		wg.Go(func() {
			for range 5 {
				d.Reset()
				var got []int32
				_, err := d.Generate(t.Context(), prompts[i].IDs, engine.GenerateOptions{MaxTokens: tokens}, func(id int32) bool {
					got = append(got, id)
					return true
				})
				if err != nil || !slices.Equal(got, want[i]) {
					t.Errorf("context %d: %v, %v, want %v", i, got, err, want[i])
				}
			}
		})
	}
	wg.Wait()
}

// TestSanitize decodes a little in every form of products, attention and choice: what compute-sanitizer can watch in the
// time that there is.
func TestSanitize(t *testing.T) {
	prompts := goldens(t)
	long := slices.Concat(prompts[0].IDs, prompts[1].IDs, prompts[2].IDs)[:70] // more rows than decoding has
	for i, c := range []struct {
		typ   string
		cache gguf.Type
	}{{"bf16", gguf.F32}, {"q8_0", gguf.Q8_0}, {"q4_k_m", gguf.F16}} {
		d := newDecoder(t, place(t, demo(t, c.typ)), engine.DecoderOptions{Context: 128, Cache: c.cache})
		o := engine.GenerateOptions{Mode: engine.DraftMode, Block: 12, MaxTokens: 4}
		if i == 2 {
			o.Sampling = engine.Sampling{Temp: 0.8, TopK: 40, TopP: 0.95, Seed: 1, Acceptance: engine.Rejection}
		}
		if _, stats := generate(t, d, long, o); stats.Tokens == 0 {
			t.Errorf("%s: no token", c.typ)
		}
		var saved bytes.Buffer
		if err := d.Save(&saved); err != nil {
			t.Fatal(err)
		}
		if err := d.Restore(&saved); err != nil {
			t.Fatal(err)
		}
	}
}
