package engine_test

import (
	"fmt"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// BenchmarkAcceptance measures the tokens per step of both kinds of acceptance.
// With -benchtime 64x every golden prompt is continued once.
func BenchmarkAcceptance(b *testing.B) {
	m := golden.Model(b, "q8_0")
	for _, temp := range []float64{0.6, 1.0, 1.5} {
		for name, kind := range map[string]engine.Acceptance{"match": engine.Match, "rejection": engine.Rejection} {
			b.Run(fmt.Sprintf("t=%g/%s", temp, name), func(b *testing.B) {
				d := newDecoder(b, m, 0, engine.DecoderOptions{Context: 512, Cache: gguf.F16})
				s := m.Sampling
				s.Temp, s.Acceptance = temp, kind
				tokens, steps := 0, 0
				for i := range b.N {
					s.Seed = uint64(i)
					prompt := golden.Cases(b)[i*5%len(golden.Cases(b))].IDs
					_, stats := golden.Generate(b, d, prompt, engine.GenerateOptions{Mode: engine.DraftMode, MaxTokens: golden.Tokens, Sampling: s})
					tokens, steps = tokens+stats.Tokens-1, steps+len(stats.Accepted)
				}
				b.ReportMetric(float64(tokens)/float64(max(steps, 1)), "tokens/step")
			})
		}
	}
}
