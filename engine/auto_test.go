package engine_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// autoFigures hold auto against one-by-one decoding and against the fixed block
// that is best for each prompt, which is known only afterwards.
type autoFigures struct {
	ar, best, auto time.Duration
	slowest        float64 // the largest auto time of a prompt over its AR time
}

func (f *autoFigures) add(ar, best, auto time.Duration) {
	f.ar, f.best, f.auto = f.ar+ar, f.best+min(best, ar), f.auto+auto
	f.slowest = max(f.slowest, auto.Seconds()/ar.Seconds())
}

func (f *autoFigures) report(b *testing.B) {
	b.ReportMetric(f.auto.Seconds()/f.ar.Seconds(), "auto/ar")
	b.ReportMetric(f.best.Seconds()/f.auto.Seconds(), "best/auto")
	b.ReportMetric(f.slowest, "slowest/ar")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkAuto decodes the golden prompts, a quarter at a time, one by one, with
// blocks of every size, and in auto, in turn. A round is an iteration; times are
// medians over the rounds.
//
//	go test ./engine -run '^$' -bench Auto -benchtime 3x
func BenchmarkAuto(b *testing.B) {
	ways := []engine.GenerateOptions{{Mode: engine.ARMode}, {Mode: engine.Auto}}
	for _, n := range []int{2, 4, 6, 8, 12, 16, 24, 32} {
		ways = append(ways, engine.GenerateOptions{Mode: engine.DraftMode, Block: n})
	}
	const quarter = 16
	for _, typ := range []string{"bf16", "q8_0"} {
		var all autoFigures
		for first := 0; first < len(golden.Cases(b)); first += quarter {
			prompts := golden.Cases(b)[first:][:quarter]
			b.Run(fmt.Sprintf("%s/prompts=%d-%d", typ, first+1, first+quarter), func(b *testing.B) {
				d := newDecoder(b, golden.ModelOf(b, typ, typ), runtime.GOMAXPROCS(0), engine.DecoderOptions{Context: 512, Cache: gguf.F16})
				var times [quarter][10][]time.Duration // by prompt, way and round
				for round := 0; b.Loop(); round++ {
					for i, p := range prompts {
						for k := range ways {
							way := (k + round) % len(ways)
							o := ways[way]
							o.MaxTokens = golden.Tokens
							_, stats := golden.Generate(b, d, p.IDs, o)
							times[i][way] = append(times[i][way], stats.DecodeTime)
						}
					}
				}
				var these autoFigures
				for _, prompt := range times {
					var median [10]time.Duration
					for way, t := range prompt {
						slices.Sort(t)
						median[way] = t[(len(t)-1)/2]
					}
					these.add(median[0], slices.Min(median[2:]), median[1])
					all.add(median[0], slices.Min(median[2:]), median[1])
				}
				these.report(b)
			})
		}
		b.Run(typ+"/all", func(b *testing.B) { all.report(b) }) // of those that ran
	}
}
