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

const goldenTokens = 160 // max_new_tokens of the reference

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

// goldenCases are the numbers of the n cases that take the emulator least time: a step costs what ten tokens do.
func goldenCases(n int) []int {
	cost := func(i int) int { return len(goldens()[i].AR) + 10*len(goldens()[i].Accepted) }
	var list []int
	for i := range goldens() {
		list = append(list, i)
	}
	slices.SortStableFunc(list, func(i, j int) int { return cost(i) - cost(j) })
	return list[:n]
}

// TestGolden holds both modes against the reference's text.
func TestGolden(t *testing.T) {
	n := place(t, demo(t, "bf16"), modelDevice(t, 0))
	cases := 8
	if *thorough {
		cases = len(goldens())
	}
	other := 0
	for _, i := range goldenCases(cases) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			g := goldens()[i]
			// The reference cuts its last blocks to the length it was given, as we do at the end of the context.
			d := newDecoder(t, n, engine.DecoderOptions{Context: len(g.IDs) + goldenTokens, Cache: gguf.F32, Chunk: 64})
			if ids, _ := generate(t, d, g.IDs, engine.GenerateOptions{Mode: engine.ARMode}); !slices.Equal(ids, g.AR) {
				t.Errorf("AR mode gives %v, want %v", ids, g.AR)
			}
			// The prompt is in the cache now.
			ids, stats := generate(t, d, g.IDs, engine.GenerateOptions{Mode: engine.DraftMode})
			if !slices.Equal(ids, g.Diffusion) {
				t.Errorf("draft mode gives %v, want %v", ids, g.Diffusion)
			}
			if !slices.Equal(stats.Accepted, g.Accepted) {
				other++
			}
		})
	}
	t.Logf("%d cases accept otherwise than the reference in a step", other)
	// A draft may differ where two logits of the diffusion view are equal but for rounding.
	if other > 2 {
		t.Errorf("%d cases accept otherwise than the reference, at most 2 may", other)
	}
}

// way is a way to decode that must not change a single token.
type way struct {
	mode         engine.Mode
	block, chunk int
	restored     bool // the cache comes from a saved session
}

var ways = []way{
	{mode: engine.DraftMode, block: 2, chunk: 7},
	{mode: engine.DraftMode, block: 5},
	{mode: engine.DraftMode, block: 16, restored: true},
	{mode: engine.DraftMode, block: 32, chunk: 100, restored: true},
	{mode: engine.Auto, chunk: 33},
}

// TestOneOutput holds draft-and-verify decoding against AR decoding, greedy and sampled.
func TestOneOutput(t *testing.T) {
	types, prompts, tokens := []string{"q4_k_m", "q8_0"}, 2, 5
	if *thorough {
		types, prompts, tokens = []string{"f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"}, 8, 40
	}
	caches := []gguf.Type{gguf.F16, gguf.Q8_0}
	for i, typ := range types {
		t.Run(typ, func(t *testing.T) {
			n := place(t, demo(t, typ), modelDevice(t, uint64(i)))
			options := engine.DecoderOptions{Context: 256, Cache: caches[i%len(caches)]}
			ar := newDecoder(t, n, options)
			var decoders []*engine.Decoder
			for _, v := range ways {
				o := options
				o.Chunk = v.chunk
				decoders = append(decoders, newDecoder(t, n, o))
			}
			for j, c := range goldenCases(prompts * len(types))[i*prompts : (i+1)*prompts] {
				prompt := goldens()[c].IDs
				o := engine.GenerateOptions{Mode: engine.ARMode, MaxTokens: tokens}
				if j%2 == 1 {
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
						t.Errorf("prompt %d, %+v: %v, AR mode gives %v", c, v, got, want)
					}
					if cached := stats.Cached == len(prompt)-1; cached != v.restored {
						t.Errorf("prompt %d, %+v: %d tokens from the cache", c, v, stats.Cached)
					}
				}
			}
		})
	}
}

// TestRows holds the logits of passes of many rows, bit by bit, against those of passes of one row.
func TestRows(t *testing.T) {
	widths, start := []int{2, 5, 9, 17, 33}, 245 // so that they go on from one tile of attention to the next
	if *thorough {
		widths, start = nil, 1010
		for n := 2; n <= 65; n++ {
			widths = append(widths, n)
		}
	}
	rows := widths[len(widths)-1]
	var text []int32
	for _, g := range goldens() {
		text = append(append(text, g.IDs...), g.AR...)
	}
	text = text[:start+rows]
	for i, c := range []struct {
		typ   string
		cache gguf.Type
	}{{"q4_k_m", gguf.F16}, {"bf16", gguf.Q8_0}, {"q8_0", gguf.F32}, {"q6_k", gguf.Q8_0}, {"f32", gguf.F16}} {
		if i > 1 && !*thorough {
			break
		}
		t.Run(fmt.Sprint(c.typ, "/", c.cache), func(t *testing.T) {
			d := newDecoder(t, place(t, demo(t, c.typ), modelDevice(t, uint64(i))), engine.DecoderOptions{Context: start + rows, Cache: c.cache})
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
			for _, n := range widths {
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
