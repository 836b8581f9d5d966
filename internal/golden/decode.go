package golden

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/engine/cpu"
	"orthrus/gguf"
)

// Types are the types of weights that a file can have, but for one that q4_k_m has the blocks of.
var Types = []string{"f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"}

// Kinds pair types of weights with types of the cache.
var Kinds = []struct {
	Type  string
	Cache gguf.Type
}{{"q4_k_m", gguf.F16}, {"bf16", gguf.Q8_0}, {"q8_0", gguf.F32}, {"q6_k", gguf.Q8_0}, {"f32", gguf.F16}}

// Decode holds both modes against the reference's text, and the drafts accepted in every step: of the cases of these
// numbers, or where limit is not 0 of the text's first tokens alone. n is the model in bf16.
func Decode(t *testing.T, n *engine.Net, cases []int, limit int) {
	other, tokens, steps := 0, 0, 0
	for _, i := range cases {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			c := Cases(t)[i]
			// The reference cuts its last blocks to the length it was given, as we do at the end of the context.
			d := Decoder(t, n, engine.DecoderOptions{Context: len(c.IDs) + Tokens, Cache: gguf.F32, Chunk: 64})
			start := func(ids []int32) []int32 {
				if limit > 0 {
					return ids[:min(limit, len(ids))]
				}
				return ids
			}
			if ids, _ := Generate(t, d, c.IDs, engine.GenerateOptions{Mode: engine.ARMode, MaxTokens: limit}); !slices.Equal(ids, start(c.AR)) {
				t.Errorf("AR mode gives %v, want %v", ids, start(c.AR))
			}
			d.Reset()
			ids, stats := Generate(t, d, c.IDs, engine.GenerateOptions{Mode: engine.DraftMode, MaxTokens: limit})
			if !slices.Equal(ids, start(c.Diffusion)) {
				t.Errorf("draft mode gives %v, want %v", ids, start(c.Diffusion))
			}
			if limit == 0 && !slices.Equal(stats.Accepted, c.Accepted) {
				t.Logf("accepted %v, the reference %v", stats.Accepted, c.Accepted)
				other++
			}
			tokens, steps = tokens+len(ids), steps+len(stats.Accepted)
		})
	}
	t.Logf("%d tokens in %d steps; %d cases accept otherwise than the reference", tokens, steps, other)
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
	{mode: engine.DraftMode, block: 7},
	{mode: engine.DraftMode, block: 16, restored: true},
	{mode: engine.DraftMode, block: 32, chunk: 100, restored: true},
	{mode: engine.Auto, chunk: 33},
}

// OneOutput holds draft-and-verify decoding against AR decoding, of so many tokens of the cases of these numbers: every
// other one is sampled. nets are the same model, placed in one way or in several.
func OneOutput(t *testing.T, cache gguf.Type, cases []int, tokens int, nets ...*engine.Net) {
	options := engine.DecoderOptions{Context: 256, Cache: cache}
	ar := Decoder(t, nets[0], options)
	var decoders []*engine.Decoder
	for i, w := range ways {
		o := options
		o.Chunk = w.chunk
		decoders = append(decoders, Decoder(t, nets[(i+1)%len(nets)], o))
	}
	for j, i := range cases {
		prompt := Cases(t)[i].IDs
		o := engine.GenerateOptions{Mode: engine.ARMode, MaxTokens: tokens}
		if j%2 == 1 {
			o.Sampling = engine.Sampling{Temp: 0.8, TopK: 40, TopP: 0.95, Seed: uint64(i)}
		}
		ar.Reset()
		want, _ := Generate(t, ar, prompt, o)
		for k, w := range ways {
			d := decoders[k]
			d.Reset()
			if w.restored {
				var saved bytes.Buffer
				if err := ar.Save(&saved); err != nil {
					t.Fatal(err)
				}
				if err := d.Restore(&saved); err != nil {
					t.Fatal(err)
				}
			}
			o.Mode, o.Block = w.mode, w.block
			got, stats := Generate(t, d, prompt, o)
			if !slices.Equal(got, want) {
				t.Errorf("case %d, %+v: %v, AR mode gives %v", i, w, got, want)
			}
			if cached := stats.Cached == len(prompt)-1; cached != w.restored {
				t.Errorf("case %d, %+v: %d tokens from the cache", i, w, stats.Cached)
			}
		}
	}
}

// UpTo gives the numbers from 2 to n.
func UpTo(n int) (list []int) {
	for i := 2; i <= n; i++ {
		list = append(list, i)
	}
	return list
}

// Rows holds the logits of passes of so many rows each, behind start tokens, against those of passes of one row, bit by
// bit.
func Rows(t *testing.T, n *engine.Net, cache gguf.Type, start int, rows []int) {
	most := slices.Max(rows)
	text := Text(t, start+most)
	d := Decoder(t, n, engine.DecoderOptions{Context: len(text), Cache: cache})
	eval := func(at, rows int) [][]float32 {
		logits, err := d.Eval(engine.AR, at, text[at:at+rows])
		if err != nil {
			t.Fatal(err)
		}
		return logits
	}
	eval(0, start)
	var want [][]float32
	for i := range most {
		want = append(want, eval(start+i, 1)[0])
	}
	for _, n := range rows {
		for i, row := range eval(start, n) {
			if !slices.Equal(row, want[i]) {
				t.Fatalf("row %d of a pass of %d rows differs from a pass of its own", i, n)
			}
		}
	}
}

// Logits holds those of both views against the CPU backend's: of n tokens, and of a block of the second half of them.
func Logits(t *testing.T, net *engine.Net, cache gguf.Type, n int, limit float64) {
	o := engine.DecoderOptions{Context: n, Cache: cache}
	d, reference := Decoder(t, net, o), Decoder(t, Place(t, net.Model, cpu.New(0)), o)
	text := Text(t, n)
	for _, view := range []engine.View{engine.AR, engine.Diffusion} {
		at := 0
		if view == engine.Diffusion {
			at = n / 2
		}
		got, err := d.Eval(view, at, text[at:])
		if err != nil {
			t.Fatal(err)
		}
		want, err := reference.Eval(view, at, text[at:])
		if err != nil {
			t.Fatal(err)
		}
		Compare(t, view.String(), got, want, limit)
	}
}

// Compare fails where logits differ by more than the limit.
func Compare(t *testing.T, view string, got, want [][]float32, limit float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s view: logits of %d rows, not of %d", view, len(got), len(want))
	}
	worst := 0.0
	for i, row := range want {
		for j, v := range row {
			worst = math.Max(worst, math.Abs(float64(got[i][j])-float64(v)))
		}
	}
	t.Logf("%s view: largest difference of a logit %.2g", view, worst)
	if !(worst <= limit) {
		t.Errorf("%s view: a logit differs by %g, more than %g", view, worst, limit)
	}
}
