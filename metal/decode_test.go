//go:build (emulator && linux) || (gpu && darwin)

package metal

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
)

// generate returns the tokens of an answer.
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
	const tokens = 20
	n := place(t, demo(t, "bf16"), passDevice(t, 3))
	for i := 0; i < len(goldens()); i += len(goldens()) / 8 {
		g := goldens()[i]
		d := newDecoder(t, n, engine.DecoderOptions{Context: len(g.IDs) + 64, Cache: gguf.F32})
		for mode, want := range map[engine.Mode][]int32{engine.ARMode: g.AR, engine.DraftMode: g.Diffusion} {
			want = want[:min(tokens, len(want))]
			if got, _ := generate(t, d, g.IDs, engine.GenerateOptions{Mode: mode, MaxTokens: tokens}); !slices.Equal(got, want) {
				t.Errorf("prompt %d, %v mode: %v, want %v", i, mode, got, want)
			}
		}
	}
}

// TestOneOutput holds draft-and-verify decoding, in blocks and from prompts in chunks of several sizes, against AR decoding.
func TestOneOutput(t *testing.T) {
	const tokens = 12
	for i, c := range []struct {
		typ      string
		cache    gguf.Type
		sampling engine.Sampling
	}{
		{"q4_k_m", gguf.F16, engine.Sampling{}},
		{"q6_k", gguf.Q8_0, engine.Sampling{Temp: 0.8, TopK: 20, TopP: 0.95, Seed: 5}},
		{"q8_0", gguf.F32, engine.Sampling{}},
		{"f16", gguf.F16, engine.Sampling{Temp: 1, MinP: 0.02, Seed: 1 << 40}},
	} {
		t.Run(c.typ, func(t *testing.T) {
			n := place(t, demo(t, c.typ), passDevice(t, uint64(i)))
			prompt := goldens()[5*i].IDs
			options := engine.DecoderOptions{Context: len(prompt) + 64, Cache: c.cache}
			ar := newDecoder(t, n, options)
			want, _ := generate(t, ar, prompt, engine.GenerateOptions{Mode: engine.ARMode, MaxTokens: tokens, Sampling: c.sampling})
			for _, v := range []struct {
				mode         engine.Mode
				block, chunk int
				restored     bool
			}{
				{engine.DraftMode, 2, 32, false},
				{engine.DraftMode, 7, 0, true},
				{engine.DraftMode, 16, 0, true},
				{engine.Auto, 9, 0, true},
			} {
				options.Chunk = v.chunk
				d := newDecoder(t, n, options)
				if v.restored {
					var saved bytes.Buffer
					if err := ar.Save(&saved); err != nil {
						t.Fatal(err)
					}
					if err := d.Restore(&saved); err != nil {
						t.Fatal(err)
					}
				}
				got, stats := generate(t, d, prompt, engine.GenerateOptions{Mode: v.mode, Block: v.block, MaxTokens: tokens, Sampling: c.sampling})
				if !slices.Equal(got, want) {
					t.Errorf("%+v: %v, AR mode gives %v", v, got, want)
				}
				if cached := stats.Cached == len(prompt)-1; cached != v.restored {
					t.Errorf("%+v: %d tokens from the cache", v, stats.Cached)
				}
			}
		})
	}
}

// TestRows holds the logits of passes of many rows, bit by bit, against those of passes of one row.
func TestRows(t *testing.T) {
	const most, start = 20, 240 // crosses a tile of attention
	var text []int32
	for _, g := range goldens() {
		text = append(append(text, g.IDs...), g.AR...)
	}
	for i, c := range []struct {
		typ   string
		cache gguf.Type
	}{{"bf16", gguf.F32}, {"q8_0", gguf.Q8_0}, {"q4_k_m", gguf.F16}} {
		t.Run(fmt.Sprint(c.typ, " ", c.cache), func(t *testing.T) {
			d := newDecoder(t, place(t, demo(t, c.typ), passDevice(t, uint64(i))), engine.DecoderOptions{Context: start + most, Cache: c.cache})
			if err := d.Blank(start); err != nil {
				t.Fatal(err)
			}
			var want [][]float32
			for at := start; at < start+most; at++ {
				row, err := d.Eval(engine.AR, at, text[at:at+1])
				if err != nil {
					t.Fatal(err)
				}
				want = append(want, row[0])
			}
			for _, n := range []int{2, 9, most} {
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

// TestRejection decodes by rejection acceptance, whose text depends on the drafts, twice the same.
func TestRejection(t *testing.T) {
	n := place(t, demo(t, "q8_0"), passDevice(t, 2))
	o := engine.GenerateOptions{Mode: engine.DraftMode, Block: 4, MaxTokens: 6,
		Sampling: engine.Sampling{Temp: 1, MinP: 0.01, Seed: 9, Acceptance: engine.Rejection}}
	var answers [][]int32
	for range 2 {
		d := newDecoder(t, n, engine.DecoderOptions{Context: 128, Cache: gguf.F16})
		ids, _ := generate(t, d, goldens()[2].IDs, o)
		answers = append(answers, ids)
	}
	if len(answers[0]) != o.MaxTokens || !slices.Equal(answers[0], answers[1]) {
		t.Errorf("%v and %v", answers[0], answers[1])
	}
}
