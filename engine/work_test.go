package engine_test

import (
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// TestWork counts by hand: 2 layers of 64 inputs, 2 heads of 32 over 1 kv head,
// 96 hidden units, 64 tokens.
func TestWork(t *testing.T) {
	m := tiny(t, gguf.F32, 2)
	const layer = 64*64 + 2*32*64 + 64*64 + 3*64*96
	for _, c := range []struct {
		view             engine.View
		pos, rows, heads int
		want             engine.Work
	}{
		{engine.AR, 0, 1, 1, engine.Work{Bytes: 4 * (2*layer + 64*64 + 64), MultiplyAdds: 2*layer + 64*64 + 2*2*64}},
		{engine.AR, 10, 3, 0, engine.Work{Bytes: 4*(2*layer+3*64) + 2*10*2*64, MultiplyAdds: 3*2*layer + 2*(11+12+13)*2*64}},
		{engine.Diffusion, 10, 3, 2, engine.Work{Bytes: 4*(2*layer+64*64+3*64) + 2*10*2*64, MultiplyAdds: 3*2*layer + 2*64*64 + 2*3*13*2*64}},
	} {
		if got := m.Work(c.view, c.pos, c.rows, c.heads, gguf.F16); got != c.want {
			t.Errorf("%s view, %d rows at %d: %+v, want %+v", c.view, c.rows, c.pos, got, c.want)
		}
	}
	m.Output = m.Embed // tied: nothing more is read for the embedding
	if got := m.Work(engine.AR, 0, 8, 8, gguf.F16).Bytes; got != 4*(2*layer+64*64) {
		t.Errorf("tied: %d bytes", got)
	}
}

// TestBlank measures behind a blank text, and decodes as ever after it.
func TestBlank(t *testing.T) {
	d := newDecoder(t, tiny(t, gguf.F32, 1), 1, engine.DecoderOptions{Context: 32, Cache: gguf.Q8_0})
	want, _ := golden.Generate(t, d, []int32{1, 2}, engine.GenerateOptions{MaxTokens: 5})
	if err := d.Blank(20); err != nil {
		t.Fatal(err)
	}
	if _, stats := golden.Generate(t, d, append(make([]int32, 20), 1), engine.GenerateOptions{MaxTokens: 5}); stats.Cached != 20 {
		t.Errorf("%d tokens from the cache, want the 20 blank ones", stats.Cached)
	}
	if _, err := d.TimePrompt(20, 12); err != nil {
		t.Error(err)
	}
	if _, err := d.TimePrompt(20, 13); err == nil {
		t.Error("a prompt beyond the context was timed")
	}
	if err := d.Blank(33); err == nil {
		t.Error("a context of 32 holds 33 blank tokens")
	}
	if got, _ := golden.Generate(t, d, []int32{1, 2}, engine.GenerateOptions{MaxTokens: 5}); !slices.Equal(got, want) {
		t.Errorf("%v after a blank text, %v before", got, want)
	}
}
