package engine_test

import (
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// BenchmarkKept counts how many of the reference's outputs the demo model keeps,
// by the types of both views, and the tokens of a step.
//
//	go test ./engine -run '^$' -bench Kept -benchtime 1x
func BenchmarkKept(b *testing.B) {
	for _, types := range [][2]string{{"q8_0", "q8_0"}, {"q8_0", "q4_k_m"}, {"q6_k", "q6_k"}, {"q5_k_m", "q4_k_m"}, {"q4_k_m", "q4_k_m"}} {
		b.Run(types[0]+"+"+types[1], func(b *testing.B) {
			d := newDecoder(b, golden.ModelOf(b, types[0], types[1]), 0, engine.DecoderOptions{Context: 512, Cache: gguf.F16})
			for b.Loop() {
				kept, tokens, steps := 0, 0, 0
				for _, c := range golden.Cases(b) {
					ids, stats := golden.Generate(b, d, c.IDs, engine.GenerateOptions{Mode: engine.DraftMode, MaxTokens: golden.Tokens})
					if slices.Equal(ids, c.AR) {
						kept++
					}
					tokens, steps = tokens+len(ids), steps+len(stats.Accepted)
				}
				b.ReportMetric(float64(kept), "kept")
				b.ReportMetric(float64(tokens)/float64(steps), "tokens/step")
			}
		})
	}
}
