//go:build (emulator && linux) || (gpu && darwin)

package metal

import (
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// TestRejection decodes by rejection acceptance, whose text depends on the drafts, twice the same.
func TestRejection(t *testing.T) {
	n := place(t, golden.Model(t, "q8_0"), modelDevice(t, 2))
	o := engine.GenerateOptions{Mode: engine.DraftMode, Block: 4, MaxTokens: 6,
		Sampling: engine.Sampling{Temp: 1, MinP: 0.01, Seed: 9, Acceptance: engine.Rejection}}
	var answers [][]int32
	for range 2 {
		d := golden.Decoder(t, n, engine.DecoderOptions{Context: 128, Cache: gguf.F16})
		ids, _ := golden.Generate(t, d, golden.Cases(t)[2].IDs, o)
		answers = append(answers, ids)
	}
	if len(answers[0]) != o.MaxTokens || !slices.Equal(answers[0], answers[1]) {
		t.Errorf("%v and %v", answers[0], answers[1])
	}
}
