package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"orthrus/convert"
	"orthrus/engine"
	"orthrus/gguf"
)

// bench measures one model.
type bench struct {
	c       *console
	m       *model
	f       *benchFlags
	prompts [][]int32 // none for random weights
	traces  []*engine.Trace
}

// passRows are the widths of the single passes.
var passRows = []int{1, 2, 4, 8, 16, 32}

// prepare opens a conversation that has room for every test, so that what does
// not fit is refused before anything is measured.
func (b *bench) prepare(prompts []string) error {
	if err := b.m.check(engine.GenerateOptions{Block: b.f.block}); err != nil {
		return err
	}
	if prompts != nil {
		if err := b.m.loadTemplate(b.c); err != nil {
			return err
		}
	}
	// tg begins with the second token of an answer.
	need := b.f.depth + max(b.f.pp, b.f.tg+1, b.m.weights.BlockSize, passRows[len(passRows)-1])
	for _, p := range prompts {
		text, err := b.m.opening(&b.f.template, p)
		if err != nil {
			return err
		}
		ids := b.m.tok.Encode(text, true)
		b.prompts = append(b.prompts, ids)
		need = max(need, len(ids)+b.f.n)
		if b.f.record != "" {
			need = max(need, len(ids)+b.f.n+b.m.weights.BlockSize)
		}
	}
	if b.f.replay != "" {
		traces, err := readTraces(b.f.replay, b.m.weights.Context)
		if err != nil {
			return err
		}
		for _, t := range traces {
			need = max(need, min(t.Prompt+len(t.Steps)+2+b.m.weights.BlockSize, b.m.weights.Context))
		}
		b.traces = traces
	}
	if c := b.f.model.context; c > 0 && c < need {
		return usagef("-c %d: the tests need a context of %d tokens: raise -c, or lower -d, --pp, --tg or -n", c, need)
	}
	if need > b.m.weights.Context {
		return fmt.Errorf("the tests need a context of %d tokens, and %s was made for at most %d: lower -d, --pp, --tg or -n", need, b.m.name(), b.m.weights.Context)
	}
	return b.m.converse(b.c, &b.f.model, max(2048, need))
}

func (b *bench) measure(ctx context.Context) (*benchResult, error) {
	m := b.m
	r := &benchResult{
		Machine: m.net.Backend.Describe(), Backend: m.net.Backend.Name(), Model: m.name(), Type: b.typeName(),
		Cache: b.f.model.cacheType, Depth: b.f.depth, Size: m.weights.Bytes(), Parameters: m.weights.Parameters(),
		Random: b.f.shape != "", Block: m.block(engine.GenerateOptions{Block: b.f.block}),
	}
	if r.Backend == "cpu" {
		r.Threads = b.f.model.cpuThreads()
	}
	steps := []func(context.Context, *benchResult) error{b.prompt, b.oneByOne, b.passes}
	switch {
	case b.traces != nil:
		steps = append(steps, b.replay)
	case r.Random:
		r.Assumed = b.f.assume
	default:
		steps = append(steps, b.decode)
	}
	if b.f.limits {
		steps = append(append([]func(context.Context, *benchResult) error{b.limits}, steps...), b.limits)
	}
	for _, step := range steps {
		if err := step(ctx, r); err != nil {
			return nil, err
		}
	}
	r.conclude()
	return r, nil
}

// work is what a pass cannot do without.
func (b *bench) work(view engine.View, pos, rows, heads int) engine.Work {
	return b.m.weights.Work(view, pos, rows, heads, cacheTypes[b.f.model.cacheType])
}

// typeName is what the file says its type is, else the type of most bytes.
func (b *bench) typeName() string {
	if b.f.shape != "" {
		return b.f.typ
	}
	if id, err := b.m.file.Metadata.Uint("general.file_type"); err == nil {
		if name, ok := convert.TypeName(id); ok {
			return name
		}
	}
	bytes, most := map[gguf.Type]int{}, gguf.F32
	for _, t := range b.m.weights.Tensors() {
		if bytes[t.Type] += len(t.Data); bytes[t.Type] > bytes[most] {
			most = t.Type
		}
	}
	return most.String()
}

// rounds times each of several things in turn, -r times, after one round that
// does not count: what disturbs the machine for a while disturbs them alike.
func (b *bench) rounds(ctx context.Context, what string, n int, measure func(i int) (time.Duration, error)) ([]samples, error) {
	all := make([]samples, n)
	for round := range b.f.repeats + 1 {
		b.c.status("%s: round %d of %d", what, round, b.f.repeats)
		for i := range all {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			d, err := measure(i)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", what, err)
			}
			if round > 0 {
				all[i] = append(all[i], d.Seconds())
			}
		}
	}
	return all, nil
}

// prompt measures prompt processing, llama-bench's pp.
func (b *bench) prompt(ctx context.Context, r *benchResult) error {
	if b.f.pp == 0 {
		return nil
	}
	name := r.at(fmt.Sprintf("pp%d", b.f.pp))
	s, err := b.rounds(ctx, name, 1, func(int) (time.Duration, error) { return b.m.d.TimePrompt(b.f.depth, b.f.pp) })
	if err == nil {
		r.Tests = append(r.Tests, newTest(name, b.f.pp, s[0], b.work(engine.AR, b.f.depth, b.f.pp, 1)))
	}
	return err
}

// oneByOne measures plain decoding, llama-bench's tg.
func (b *bench) oneByOne(ctx context.Context, r *benchResult) error {
	if b.f.tg == 0 {
		return nil
	}
	name := r.at(fmt.Sprintf("tg%d", b.f.tg))
	if err := b.m.d.Blank(b.f.depth); err != nil {
		return err
	}
	// The prompt is in the cache but for its last token, whose pass gives the first
	// of the answer and is not timed.
	prompt := make([]int32, b.f.depth+1)
	o := engine.GenerateOptions{Mode: engine.ARMode, MaxTokens: b.f.tg + 1, IgnoreEOG: true}
	s, err := b.rounds(ctx, name, 1, func(int) (time.Duration, error) {
		stats, err := b.m.d.Generate(ctx, prompt, o, func(int32) bool { return true })
		if err == nil && stats.Stop != engine.StopLength {
			err = ctx.Err()
		}
		return stats.DecodeTime, err
	})
	if err != nil {
		return err
	}
	var work engine.Work
	for i := range b.f.tg {
		work = work.Plus(b.work(engine.AR, b.f.depth+1+i, 1, 1))
	}
	r.Tests = append(r.Tests, newTest(name, b.f.tg, s[0], work))
	return nil
}

// passes measures single passes of both views, and steps of them.
func (b *bench) passes(ctx context.Context, r *benchResult) error {
	widths := slices.Clone(passRows)
	if b.m.weights.HasDiffusion() {
		widths = slices.DeleteFunc(widths, func(n int) bool { return n > b.m.weights.BlockSize })
	}
	if r.Block > 0 && !slices.Contains(widths, r.Block) {
		widths = append(widths, r.Block)
		slices.Sort(widths)
	}
	const ar, diffusion, step = 0, 1, 2
	kinds := 1
	if b.m.weights.HasDiffusion() {
		kinds = 3
	}
	s, err := b.rounds(ctx, "passes", len(widths)*kinds, func(i int) (time.Duration, error) {
		n := widths[i/kinds]
		switch {
		case i%kinds == ar:
			return b.m.d.TimePass(engine.AR, b.f.depth, n)
		case i%kinds == diffusion:
			return b.m.d.TimePass(engine.Diffusion, b.f.depth, n)
		case n == 1:
			return 0, nil // there is nothing to draft
		}
		return b.m.d.TimeStep(b.f.depth, n)
	})
	if err != nil {
		return err
	}
	for i, n := range widths {
		s := s[i*kinds:]
		p := benchPass{Rows: n, AR: newTest("ar", n, s[ar], b.work(engine.AR, b.f.depth, n, n))}
		if kinds > 1 {
			d := newTest("diffusion", n, s[diffusion], b.work(engine.Diffusion, b.f.depth, n, n))
			p.Diffusion = &d
			if n > 1 {
				work := b.work(engine.Diffusion, b.f.depth, n, n-1).Plus(p.AR.Work)
				t := newTest("step", 1, s[step], work)
				p.Step = &t
			}
		}
		r.Passes = append(r.Passes, p)
	}
	return nil
}
