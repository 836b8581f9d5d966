package engine_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// TestTrace replays an answer step by step as it was decoded.
func TestTrace(t *testing.T) {
	const tokens = 40
	ctx := context.Background()
	d := newDecoder(t, tiny(t, gguf.F32, 2), 1, engine.DecoderOptions{Context: 64, Cache: gguf.F16})
	prompt := []int32{1, 2, 3}
	trace, err := d.Trace(ctx, prompt, tokens)
	if err != nil {
		t.Fatal(err)
	}
	if trace.Prompt != 3 || !slices.Equal(trace.Widths, []int{2, 4, 6, 8}) || len(trace.Steps) != tokens-1 {
		t.Fatalf("a trace of %d steps by %v behind %d tokens", len(trace.Steps), trace.Widths, trace.Prompt)
	}
	for _, block := range append(trace.Widths, 1) {
		o := engine.GenerateOptions{Mode: engine.DraftMode, Block: block, MaxTokens: tokens}
		_, want := golden.Generate(t, d, prompt, o)
		got, err := d.Replay(ctx, trace, o)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Accepted, want.Accepted) || !slices.Equal(got.Drafted, want.Drafted) || got.Verified != want.Verified || got.Tokens != tokens-1 {
			t.Errorf("blocks of %d: replayed %+v, decoded %+v", block, got, want)
		}
	}
	got, err := d.Replay(ctx, trace, engine.GenerateOptions{})
	if err != nil || got.Tokens != tokens-1 || len(got.Drafted) != len(got.Accepted) {
		t.Errorf("auto: %+v, %v", got, err)
	}
	if _, err := d.Trace(ctx, prompt, 60); err == nil || !strings.Contains(err.Error(), "raise -c") {
		t.Errorf("traced beyond the context: %v", err)
	}
}

func TestTraceErrors(t *testing.T) {
	for want, change := range map[string]func(*engine.Trace){
		"":                 func(*engine.Trace) {},
		"raise -c":         func(t *engine.Trace) { t.Prompt = 14 },
		"prompt":           func(t *engine.Trace) { t.Prompt = 0 },
		"are not ascend":   func(t *engine.Trace) { t.Widths = []int{2, 2} },
		"from 2 rows":      func(t *engine.Trace) { t.Widths[0] = 1 },
		"none":             func(t *engine.Trace) { t.Widths = nil },
		"each of 2":        func(t *engine.Trace) { t.Steps[0].Accepted = nil },
		"each of 2 widths": func(t *engine.Trace) { t.Steps[0].Chances = t.Steps[0].Chances[1:] },
		"2 chances":        func(t *engine.Trace) { t.Steps[0].Chances[1] = []int16{1, 2} },
		"-1 accepted":      func(t *engine.Trace) { t.Steps[0].Accepted[0] = -1 },
		"4 accepted":       func(t *engine.Trace) { t.Steps[0].Accepted[1] = 4 },
		"thousandths":      func(t *engine.Trace) { t.Steps[0].Chances[1][2] = 1001 },
	} {
		trace := &engine.Trace{Prompt: 13, Widths: []int{2, 4}, Steps: []engine.TraceStep{{Accepted: []int{1, 3}, Chances: [][]int16{{0}, {0, 500, 1000}}}}}
		change(trace)
		if err := trace.Check(16); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
