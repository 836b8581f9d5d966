package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"orthrus/engine"
)

// benchDecode is the decoding of prompts: one by one, by whole blocks, and with
// as many rows as pay.
type benchDecode struct {
	Prompts   int          `json:"prompts"`
	AR        decodeTotals `json:"ar"`
	Draft     decodeTotals `json:"diffusion"`
	Auto      decodeTotals `json:"auto"`
	Same      int          `json:"same_tokens"` // prompts whose tokens do not depend on the mode
	Histogram []int        `json:"accepted_histogram"`

	// The prompt that takes longest in auto, held against one by one: its number from
	// 1 on, and the ratio of times.
	SlowestPrompt int     `json:"auto_slowest_prompt,omitempty"`
	SlowestTime   float64 `json:"auto_slowest_time,omitempty"`
}

// decodeTotals are sums over prompts, of the run of median time for each. They
// leave the first token of an answer out, which the prompt's pass gives.
type decodeTotals struct {
	Tokens        int     `json:"tokens"`
	Steps         int     `json:"steps"`
	Forwards      int     `json:"forwards"`
	Verified      int     `json:"verified"`
	Accepted      int     `json:"accepted"`
	Seconds       float64 `json:"s"`
	TPS           float64 `json:"tps"`
	TokensPerStep float64 `json:"tokens_per_step"`
}

func (t *decodeTotals) add(s engine.Stats) {
	t.Tokens += max(s.Tokens-1, 0)
	t.Steps += len(s.Accepted)
	t.Forwards += s.Forwards
	t.Verified += s.Verified
	t.Accepted += sum(s.Accepted)
	t.Seconds += s.DecodeTime.Seconds()
	t.TPS = rate(t.Tokens, t.Seconds)
	t.TokensPerStep = rate(t.Tokens, float64(t.Steps))
}

// add takes in prompt number i, decoded in every mode.
func (d *benchDecode) add(i int, runs map[engine.Mode]engine.Stats) {
	ar := runs[engine.ARMode]
	d.AR.add(ar)
	if len(runs) == 1 {
		return
	}
	d.Draft.add(runs[engine.DraftMode])
	for _, n := range runs[engine.DraftMode].Accepted {
		d.Histogram[n]++
	}
	auto := runs[engine.Auto]
	d.Auto.add(auto)
	if len(ar.Accepted) == 0 {
		return // no token after the first
	}
	if time := auto.DecodeTime.Seconds() / ar.DecodeTime.Seconds(); time > d.SlowestTime {
		d.SlowestPrompt, d.SlowestTime = i, time
	}
}

// promptTime is how long the runs of a prompt may take before -r is ignored:
// long ones need no repetition.
const promptTime = 10 * time.Second

// decode answers the prompts in every mode.
func (b *bench) decode(ctx context.Context, r *benchResult) error {
	d := &benchDecode{Prompts: len(b.prompts), Histogram: make([]int, max(r.Block, 1))}
	r.Decode = d
	for i, ids := range b.prompts {
		b.c.status("prompt %d of %d", i+1, len(b.prompts))
		runs, same, err := b.answer(ctx, ids)
		if err != nil {
			return fmt.Errorf("prompt %d: %w", i+1, err)
		}
		d.add(i+1, runs)
		if same {
			d.Same++
		}
	}
	return nil
}

// answer decodes a prompt in every mode in turn, -r times, and returns the run
// of median time for each mode, and whether the tokens were the same in all.
func (b *bench) answer(ctx context.Context, prompt []int32) (median map[engine.Mode]engine.Stats, same bool, err error) {
	modes := []engine.Mode{engine.ARMode}
	if b.m.weights.HasDiffusion() {
		modes = append(modes, engine.DraftMode, engine.Auto)
	}
	o := engine.GenerateOptions{MaxTokens: b.f.n, Block: b.f.block, Sampling: b.f.sampling.options(engine.Sampling{})}
	runs := map[engine.Mode][]engine.Stats{}
	var want []int32
	same = true
	start := time.Now()
	for range b.f.repeats {
		for _, o.Mode = range modes {
			var ids []int32
			stats, err := b.m.d.Generate(ctx, prompt, o, func(id int32) bool {
				ids = append(ids, id)
				return true
			})
			if err = cmp.Or(err, ctx.Err()); err != nil {
				return nil, false, err
			}
			if want == nil {
				want = ids
			}
			same = same && slices.Equal(ids, want)
			runs[o.Mode] = append(runs[o.Mode], stats)
		}
		if time.Since(start) > promptTime {
			break
		}
	}
	median = map[engine.Mode]engine.Stats{}
	for mode, all := range runs {
		slices.SortFunc(all, func(x, y engine.Stats) int { return cmp.Compare(x.DecodeTime, y.DecodeTime) })
		median[mode] = all[(len(all)-1)/2]
	}
	return median, same, nil
}
