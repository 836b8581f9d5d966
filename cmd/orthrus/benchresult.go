package main

import (
	"fmt"
	"math"
	"slices"

	"orthrus/engine"
)

// benchResult is what bench found, and what bench -o json prints.
type benchResult struct {
	Machine    string       `json:"machine"`
	Backend    string       `json:"backend"`
	Threads    int          `json:"threads"` // of the CPU; 0 on a GPU
	Model      string       `json:"model"`
	Type       string       `json:"type"`
	Random     bool         `json:"random_weights"`
	Size       int64        `json:"size"`
	Parameters int64        `json:"parameters"`
	Cache      string       `json:"cache_type"`
	Depth      int          `json:"depth"`            // tokens in the cache before the tests and passes
	Block      int          `json:"block"`            // rows of a draft; 0 without a diffusion view
	Limits     []limits     `json:"limits,omitempty"` // before and after the tests
	Tests      []benchTest  `json:"tests"`
	Passes     []benchPass  `json:"passes"`
	Decode     *benchDecode `json:"decode,omitempty"`
	Replay     *benchReplay `json:"replay,omitempty"`

	// Draft-and-verify pays from BreakEven tokens a step on.
	BreakEven float64 `json:"break_even_tokens_per_step,omitempty"`
	// Tokens a step that are assumed where they cannot be measured.
	Assumed float64 `json:"assumed_tokens_per_step,omitempty"`
	// Speed at the assumed or measured tokens a step, from the passes' times.
	Estimate float64 `json:"estimated_tps,omitempty"`
	// Estimate over one-by-one speed.
	Gain float64 `json:"estimated_gain,omitempty"`
}

// at is the name of a test at the depth it runs at, as llama-bench has it.
func (r *benchResult) at(test string) string {
	if r.Depth == 0 {
		return test
	}
	return fmt.Sprintf("%s @ d%d", test, r.Depth)
}

// benchTest is one thing measured: medians, and standard deviations.
type benchTest struct {
	Name      string  `json:"test"`
	Tokens    int     `json:"tokens"`
	MS        float64 `json:"ms"`
	MSStddev  float64 `json:"ms_stddev"`
	TPS       float64 `json:"tps"`
	TPSStddev float64 `json:"tps_stddev"`
	Samples   samples `json:"samples_s"`

	Work engine.Work `json:"work"`
	// The least time that the machine's limits allow, and its share of MS.
	FloorMS float64 `json:"floor_ms,omitempty"`
	Share   float64 `json:"share_of_limit,omitempty"`
}

// holdAgainst fills what follows from the machine's limits.
func (t *benchTest) holdAgainst(l limits) {
	t.FloorMS = 1000 * l.floor(t.Work)
	t.Share = t.FloorMS / t.MS
}

// benchPass is a pass of Rows rows through both views, and a step that drafts and
// verifies so many.
type benchPass struct {
	Rows      int        `json:"rows"`
	AR        benchTest  `json:"ar"`
	Diffusion *benchTest `json:"diffusion,omitempty"`
	Step      *benchTest `json:"step,omitempty"` // from 2 rows on

	// Times over T(1), the time of an AR pass of one row.
	ARRatio        float64 `json:"ar_ratio"`
	DiffusionRatio float64 `json:"diffusion_ratio,omitempty"`
	// Tokens a step from which on drafting so many rows pays: a step's time over T(1).
	BreakEven float64 `json:"break_even_tokens_per_step,omitempty"`
}

// conclude fills what follows from the measurements: a step pays if it yields more
// tokens than one by one decoding would in its time.
func (r *benchResult) conclude() {
	if r.Limits != nil {
		for _, t := range r.all() {
			t.holdAgainst(bestLimits(r.Limits))
		}
	}
	one := r.Passes[0].AR.MS
	for i := range r.Passes {
		p := &r.Passes[i]
		p.ARRatio = p.AR.MS / one
		if p.Diffusion == nil {
			continue
		}
		p.DiffusionRatio = p.Diffusion.MS / one
		if p.Step == nil {
			continue
		}
		p.BreakEven = p.Step.MS / one
		if p.Rows == r.Block {
			r.BreakEven = p.BreakEven
		}
	}
	perStep := r.Assumed
	if r.Decode != nil {
		perStep = r.Decode.Draft.TokensPerStep
	}
	if r.BreakEven > 0 && perStep > 0 {
		r.Gain = perStep / r.BreakEven
		r.Estimate = r.Gain * 1000 / one
	}
}

// all returns the tests and the passes.
func (r *benchResult) all() (tests []*benchTest) {
	for i := range r.Tests {
		tests = append(tests, &r.Tests[i])
	}
	for i := range r.Passes {
		p := &r.Passes[i]
		tests = append(tests, &p.AR)
		if p.Diffusion != nil {
			tests = append(tests, p.Diffusion)
		}
		if p.Step != nil {
			tests = append(tests, p.Step)
		}
	}
	return tests
}

// samples are times in seconds.
type samples []float64

func newTest(name string, tokens int, s samples, work engine.Work) benchTest {
	rates := make(samples, len(s))
	for i, t := range s {
		rates[i] = float64(tokens) / t
	}
	return benchTest{
		Name: name, Tokens: tokens, Samples: s, Work: work,
		MS: s.median() * 1000, MSStddev: s.stddev() * 1000,
		TPS: rates.median(), TPSStddev: rates.stddev(),
	}
}

func (s samples) median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// stddev is the standard deviation of the population that s is a sample of.
func (s samples) stddev() float64 {
	if len(s) < 2 {
		return 0
	}
	var mean, squares float64
	for _, v := range s {
		mean += v / float64(len(s))
	}
	for _, v := range s {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(s)-1))
}

// conclusion is what the figures mean, in sentences.
func (r *benchResult) conclusion() []string {
	var lines []string
	if d := r.Decode; d != nil && d.Draft.Steps > 0 {
		drafts := d.Draft.Steps * (r.Block - 1)
		lines = append(lines,
			fmt.Sprintf("Decoding %s with blocks of %d: %s in %s, %.2f tokens a step, %.1f %% of %d drafts accepted; the same tokens in all modes on %d of %d.",
				plural(d.Prompts, "prompt"), r.Block, plural(d.Draft.Tokens, "token"), plural(d.Draft.Steps, "step"),
				d.Draft.TokensPerStep, 100*rate(d.Draft.Accepted, float64(drafts)), drafts, d.Same, d.Prompts),
			fmt.Sprintf("Measured: %.1f tokens/s drafting and verifying, %.1f one by one: %.2f times as fast.",
				d.Draft.TPS, d.AR.TPS, d.Draft.TPS/d.AR.TPS),
			fmt.Sprintf("Auto: %.1f tokens/s, %.2f times as fast as one by one; %.2f tokens a step, %.1f %% of %d drafts accepted. Its slowest prompt, number %d, takes %.2f times as long as one by one.",
				d.Auto.TPS, d.Auto.TPS/d.AR.TPS, d.Auto.TokensPerStep, 100*rate(d.Auto.Accepted, float64(d.Auto.Verified)), d.Auto.Verified, d.SlowestPrompt, d.SlowestTime))
	}
	if d := r.Replay; d != nil {
		lines = append(lines,
			fmt.Sprintf("Replaying %s: %s in %s, %.2f tokens a step, %.1f %% of %d drafts accepted.",
				plural(d.Traces, "answer"), plural(d.Auto.Tokens, "token"), plural(d.Auto.Steps, "step"),
				d.Auto.TokensPerStep, 100*rate(d.Auto.Accepted, float64(d.Auto.Verified)), d.Auto.Verified),
			fmt.Sprintf("Measured: %.1f tokens/s in auto, %.1f one by one: %.2f times as fast.", d.Auto.TPS, d.AR.TPS, d.Auto.TPS/d.AR.TPS))
	}
	if r.BreakEven > 0 {
		lines = append(lines, fmt.Sprintf("Break-even here with blocks of %d: %.2f tokens a step, %.2f accepted drafts.",
			r.Block, r.BreakEven, r.BreakEven-1))
	}
	if r.Assumed > 0 && r.Estimate > 0 {
		lines = append(lines, fmt.Sprintf("Random weights: acceptance is assumed, not measured. At %g tokens a step: %.1f tokens/s, %.2f times one by one.",
			r.Assumed, r.Estimate, r.Gain))
	}
	return lines
}
