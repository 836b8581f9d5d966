package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"orthrus/engine"
	"orthrus/engine/tokenizer"
)

// answer is what a model said, and how.
type answer struct {
	ids   []int32 // the end-of-generation token included
	text  string
	stats engine.Stats
}

// generate continues prompt and hands the text on as it comes, in whole
// characters and without the stop string that ended it. An error of show ends
// the answer.
func (m *model) generate(ctx context.Context, prompt []int32, o engine.GenerateOptions, stops []string, show func(text string) error) (a answer, err error) {
	stream := m.tok.NewStream()
	scan := stopScanner{stops: stops}
	var text strings.Builder
	var failed error
	emit := func(piece string) (goOn bool) {
		free, found := scan.add(piece)
		if free != "" && failed == nil {
			text.WriteString(free)
			failed = show(free)
		}
		return !found && failed == nil
	}
	stopped := false
	a.stats, err = m.d.Generate(ctx, prompt, o, func(id int32) bool {
		a.ids = append(a.ids, id)
		if m.silent(id) {
			return true
		}
		stopped = !emit(stream.Add(id))
		return !stopped
	})
	if !stopped {
		stopped = !emit(stream.Flush())
	}
	if rest := scan.flush(); rest != "" && !stopped {
		text.WriteString(rest)
		failed = show(rest)
	}
	a.text = text.String()
	if err == nil {
		err = failed
	}
	return a, err
}

// silent reports whether a token marks structure and is no text.
func (m *model) silent(id int32) bool {
	_, kind := m.tok.Token(id)
	return kind == tokenizer.Control || kind == tokenizer.Unused || slices.Contains(m.weights.EOG, id)
}

// mode names the way to decode that o asks for.
func (m *model) mode(o engine.GenerateOptions) string {
	if o.Mode == engine.ARMode || !m.weights.HasDiffusion() || o.Block == 1 {
		return "ar"
	}
	if o.Mode == engine.Auto {
		return "auto"
	}
	return "diffusion"
}

// block is the number of rows of a draft that o asks for.
func (m *model) block(o engine.GenerateOptions) int {
	if o.Block > 0 {
		return o.Block
	}
	return m.weights.BlockSize
}

// promptRate is in tokens read a second, those found in the cache left out.
func promptRate(s engine.Stats) float64 {
	return rate(s.Prompt-s.Cached, s.PromptTime.Seconds())
}

// decodeRate is in tokens a second. The prompt's pass gives the first token.
func decodeRate(s engine.Stats) float64 {
	return rate(s.Tokens-1, s.DecodeTime.Seconds())
}

// tokensPerStep counts as decodeRate does.
func tokensPerStep(s engine.Stats) float64 {
	return rate(s.Tokens-1, float64(len(s.Accepted)))
}

func rate(n int, per float64) float64 {
	if n <= 0 || per <= 0 {
		return 0
	}
	return float64(n) / per
}

func sum(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// summary is the quiet line after an answer.
func (m *model) summary(s engine.Stats, o engine.GenerateOptions) string {
	parts := []string{plural(s.Tokens, "token")}
	if r := decodeRate(s); r > 0 {
		parts = append(parts, fmt.Sprintf("%.1f tokens/s", r))
	}
	if s.Verified > 0 {
		parts = append(parts, fmt.Sprintf("%.1f tokens/step", tokensPerStep(s)),
			fmt.Sprintf("%.0f %% of drafts accepted", 100*float64(sum(s.Accepted))/float64(s.Verified)))
	}
	prompt := fmt.Sprintf("prompt %d", s.Prompt)
	if s.Cached > 0 {
		prompt += fmt.Sprintf(" (%d cached)", s.Cached)
	}
	if r := promptRate(s); r > 0 {
		prompt += fmt.Sprintf(", %.0f tokens/s", r)
	}
	line := strings.Join(parts, ", ") + "; " + prompt
	if !o.Sampling.Greedy() {
		line += fmt.Sprintf("; seed %d", o.Sampling.Seed)
	}
	switch s.Stop {
	case engine.StopLength:
		line += "; cut at -n"
	case engine.StopContext:
		line += "; the context is full"
	case engine.StopInterrupted:
		line += "; interrupted"
	}
	return line
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
