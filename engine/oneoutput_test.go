package engine_test

import (
	"bytes"
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
)

// variant is a way to decode that must not change a single token.
type variant struct {
	mode                  engine.Mode
	block, threads, chunk int
	restored              bool // the cache comes from a saved session
}

var variants = []variant{
	{mode: engine.DraftMode, block: 2, threads: 1, chunk: 7},
	{mode: engine.DraftMode, block: 7, threads: 2},
	{mode: engine.DraftMode, block: 16, threads: 1, restored: true},
	{mode: engine.DraftMode, block: 32, threads: 2, chunk: 7, restored: true},
	{mode: engine.Auto, threads: 2},
}

// TestOneOutput holds draft-and-verify decoding against AR decoding, for every
// type of weights.
func TestOneOutput(t *testing.T) {
	const tokens = 24
	for _, typ := range []string{"f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"} {
		t.Run(typ, func(t *testing.T) {
			m := demo(t, typ, "")
			options := engine.DecoderOptions{Context: 128, Cache: gguf.F16}
			ar := newDecoder(t, m, 2, options)
			var decoders []*engine.Decoder
			for _, v := range variants {
				o := options
				o.Chunk = v.chunk
				decoders = append(decoders, newDecoder(t, m, v.threads, o))
			}
			for i := 0; i < len(goldens()); i += 4 {
				prompt := goldens()[i].IDs
				want, _ := generate(t, ar, prompt, engine.GenerateOptions{Mode: engine.ARMode, MaxTokens: tokens})
				for k, v := range variants {
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
					got, stats := generate(t, d, prompt, engine.GenerateOptions{Mode: v.mode, Block: v.block, MaxTokens: tokens})
					if !slices.Equal(got, want) {
						t.Errorf("prompt %d, %+v: %v, AR mode gives %v", i, v, got, want)
					}
					if cached := stats.Cached == len(prompt)-1; cached != v.restored {
						t.Errorf("prompt %d, %+v: %d tokens from the cache", i, v, stats.Cached)
					}
				}
			}
		})
	}
}

// TestRows holds the logits of passes of many rows, bit by bit, against those of
// passes of one row.
func TestRows(t *testing.T) {
	const rows, start = 33, 1010 // crosses a tile of attention
	var text []int32
	for _, g := range goldens() {
		text = append(append(text, g.IDs...), g.AR...)
	}
	text = text[:start+rows]
	for _, c := range []struct {
		typ   string
		cache gguf.Type
	}{{"f32", gguf.F32}, {"bf16", gguf.F16}, {"q8_0", gguf.Q8_0}, {"q4_k_m", gguf.F16}, {"q6_k", gguf.Q8_0}} {
		t.Run(c.typ+"/"+c.cache.String(), func(t *testing.T) {
			d := newDecoder(t, demo(t, c.typ, ""), 2, engine.DecoderOptions{Context: start + rows, Cache: c.cache})
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
