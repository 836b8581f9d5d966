//go:build (emulator && linux) || gpu

package cuda

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// place puts the demo, converted to a type, on the device.
func place(t testing.TB, typ string) *engine.Net {
	t.Helper()
	return golden.Place(t, golden.Model(t, typ), newBackend(fastDevice(t), "cuda:0"))
}

// TestGolden holds both modes against the reference's text.
func TestGolden(t *testing.T) {
	cases, limit := golden.Every(t, 1), 0
	if !thorough {
		cases, limit = cases[:1], 8
	}
	golden.Decode(t, place(t, "bf16"), cases, limit)
}

// TestLogits holds the logits of both views against the CPU backend's. A last bit of attention turns into a step of rounding
// where activations become int8, and that into more of them in the next layer, up to the noise of the type. The first row
// sees one key, so nothing rounds.
func TestLogits(t *testing.T) {
	for typ, limit := range map[string]float64{"f32": 2e-4, "bf16": 2e-4, "q8_0": 1.5, "q4_k_m": 1.5} {
		t.Run(typ, func(t *testing.T) {
			n := place(t, typ)
			golden.Logits(t, n, gguf.F32, 1, 2e-4)
			golden.Logits(t, n, gguf.F32, 20, limit)
		})
	}
}

// TestOneOutput holds draft-and-verify decoding against AR decoding, greedy and sampled.
func TestOneOutput(t *testing.T) {
	types, cases, tokens := golden.Types, golden.Every(t, 4), 40
	if !thorough {
		types, cases, tokens = []string{"q4_k_m"}, []int{3}, 8
	}
	for i, typ := range types {
		t.Run(typ, func(t *testing.T) {
			golden.OneOutput(t, []gguf.Type{gguf.F16, gguf.Q8_0}[i%2], cases, tokens, place(t, typ))
		})
	}
}

// TestRows holds the logits of passes of many rows, bit by bit, against those of passes of one row.
func TestRows(t *testing.T) {
	rows, start := golden.UpTo(33), 1010
	if !thorough {
		rows, start = golden.UpTo(5), 60
	}
	for _, k := range golden.Kinds {
		t.Run(fmt.Sprint(k.Type, "/", k.Cache), func(t *testing.T) {
			golden.Rows(t, place(t, k.Type), k.Cache, start, rows)
		})
	}
}

// TestContexts decodes in two contexts at the same time.
func TestContexts(t *testing.T) {
	n := place(t, "q4_0")
	o := engine.DecoderOptions{Context: 128, Cache: gguf.F16}
	prompts := golden.Cases(t)
	tokens := 6
	if thorough {
		tokens = 60
	}
	var want [2][]int32
	for i := range want {
		want[i], _ = golden.Generate(t, golden.Decoder(t, n, o), prompts[i].IDs, engine.GenerateOptions{Mode: engine.ARMode, MaxTokens: tokens})
	}
	decoders := []*engine.Decoder{golden.Decoder(t, n, o), golden.Decoder(t, n, o)}
	if !thorough { // the emulator has one queue
		for i, d := range decoders {
			if got, _ := golden.Generate(t, d, prompts[i].IDs, engine.GenerateOptions{MaxTokens: tokens}); !slices.Equal(got, want[i]) {
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
	prompt := golden.Text(t, 70) // more rows than decoding has
	for i, c := range []struct {
		typ   string
		cache gguf.Type
	}{{"bf16", gguf.F32}, {"q8_0", gguf.Q8_0}, {"q4_k_m", gguf.F16}} {
		d := golden.Decoder(t, place(t, c.typ), engine.DecoderOptions{Context: 128, Cache: c.cache})
		o := engine.GenerateOptions{Mode: engine.DraftMode, Block: 12, MaxTokens: 4}
		if i == 2 {
			o.Sampling = engine.Sampling{Temp: 0.8, TopK: 40, TopP: 0.95, Seed: 1, Acceptance: engine.Rejection}
		}
		if _, stats := golden.Generate(t, d, prompt, o); stats.Tokens == 0 {
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
