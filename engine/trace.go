package engine

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Trace is what drafting gives along an answer: at every position, for drafts of
// several widths, the chances that the draft pass sees and how many drafts are
// accepted. On a model of another size it replays the decoding of one whose
// weights mean something.
type Trace struct {
	Prompt int         `json:"prompt"` // tokens before the first position
	Widths []int       `json:"widths"` // rows of a draft, ascending
	Steps  []TraceStep `json:"steps"`  // by position
}

// TraceStep holds one entry for every width of the trace.
type TraceStep struct {
	Accepted []int     `json:"accepted"`
	Chances  [][]int16 `json:"chances"` // in thousandths, one a draft
}

// Check returns an error unless a trace is complete and fits in a context.
func (t *Trace) Check(context int) error {
	if t.Prompt < 1 || t.Prompt > context-len(t.Steps)-2 {
		return fmt.Errorf("prompt: %d tokens and %d steps do not fit in a context of %d: raise -c", t.Prompt, len(t.Steps), context)
	}
	for i, w := range t.Widths {
		if w < 2 || i > 0 && w <= t.Widths[i-1] {
			return fmt.Errorf("widths: %v are not ascending from 2 rows on", t.Widths)
		}
	}
	if len(t.Widths) == 0 {
		return fmt.Errorf("widths: there are none")
	}
	for i, s := range t.Steps {
		if len(s.Accepted) != len(t.Widths) || len(s.Chances) != len(t.Widths) {
			return fmt.Errorf("steps[%d]: not one entry for each of %d widths", i, len(t.Widths))
		}
		for j, w := range t.Widths {
			if len(s.Chances[j]) != w-1 || s.Accepted[j] < 0 || s.Accepted[j] >= w {
				return fmt.Errorf("steps[%d]: a draft of %d rows has %d chances and %d accepted", i, w, len(s.Chances[j]), s.Accepted[j])
			}
			if slices.ContainsFunc(s.Chances[j], func(c int16) bool { return c < 0 || c > 1000 }) {
				return fmt.Errorf("steps[%d]: a chance of a draft of %d rows is not 0 to 1000 thousandths", i, w)
			}
		}
	}
	return nil
}

// at returns what a draft of the given rows gives at a step: that of the
// narrowest width that has them.
func (t *Trace) at(step, rows int) (chances []float32, accepted int) {
	j := 0
	for j < len(t.Widths)-1 && t.Widths[j] < rows {
		j++
	}
	s := t.Steps[step]
	for _, c := range s.Chances[j][:min(rows-1, len(s.Chances[j]))] {
		chances = append(chances, float32(c)/1000)
	}
	return chances, min(s.Accepted[j], len(chances))
}

// Trace decodes an answer greedily and drafts at each of its positions with every
// width, at most the model's block size.
func (d *Decoder) Trace(ctx context.Context, prompt []int32, maxTokens int) (*Trace, error) {
	text := append([]int32(nil), prompt...)
	_, err := d.Generate(ctx, prompt, GenerateOptions{Mode: ARMode, MaxTokens: maxTokens}, func(token int32) bool {
		text = append(text, token)
		return true
	})
	if err != nil {
		return nil, err
	}
	t := &Trace{Prompt: len(prompt), Widths: newPlanner(d.net.BlockSize, 0).widths[1:]}
	// The last token has none after it.
	for pos := len(prompt); pos < len(text)-1; pos++ {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var s TraceStep
		for _, rows := range t.Widths {
			if pos+rows > d.opt.Context {
				return nil, fmt.Errorf("position %d has no room for a block of %d rows: raise -c", pos, rows)
			}
			out, err := d.draftAt(pos, text[pos], rows)
			if err != nil {
				return nil, err
			}
			accepted := 0
			for accepted < len(out.Tokens)-1 && pos+1+accepted < len(text) && out.Tokens[accepted] == text[pos+1+accepted] {
				accepted++ // those behind the end of the answer do not count
			}
			s.Accepted = append(s.Accepted, accepted)
			var chances []int16
			for _, c := range out.Chances {
				chances = append(chances, int16(1000*probability(c)+0.5))
			}
			s.Chances = append(s.Chances, chances)
		}
		t.Steps = append(t.Steps, s)
	}
	d.Reset()
	return t, nil
}

// draftAt runs a step of a fixed width at position pos, which holds token.
func (d *Decoder) draftAt(pos int, token int32, rows int) (Outcome, error) {
	draft, err := d.passes.draft(rows, rows-1, false)
	if err != nil {
		return Outcome{}, err
	}
	check, err := d.passes.check(rows, rows, false)
	if err != nil {
		return Outcome{}, err
	}
	d.ctx.Seek(pos, []int32{token})
	d.ctx.Run(draft)
	d.ctx.Run(check)
	return d.ctx.Wait()
}

// Replay decodes as Generate does with o's mode and block, but takes the chances
// and what is accepted from a trace, and the tokens from nowhere. The cache is
// empty afterwards.
func (d *Decoder) Replay(ctx context.Context, t *Trace, o GenerateOptions) (stats Stats, err error) {
	block, err := d.check([]int32{0}, o)
	if err == nil {
		err = t.Check(d.opt.Context)
	}
	if err != nil {
		return stats, err
	}
	d.Reset()
	d.ctx.Sample(Sampling{})
	d.plan.begin()
	start := time.Now()
	for i := 0; i < len(t.Steps) && ctx.Err() == nil; {
		d.ctx.Seek(t.Prompt+i, []int32{0})
		n, err := d.step(t.Prompt+i, block, len(t.Steps)-i, o, &replay{t, i}, &stats)
		if err != nil {
			return stats, err
		}
		stats.Tokens += len(n)
		i += len(n)
	}
	stats.DecodeTime = time.Since(start)
	return stats, ctx.Err()
}

// replay is a step of a trace.
type replay struct {
	trace *Trace
	step  int
}
