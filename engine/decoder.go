package engine

import (
	"context"
	"fmt"
	"time"

	"orthrus/gguf"
)

// DecoderOptions shape a decoder's memory.
type DecoderOptions struct {
	Context int       // positions of the KV cache
	Cache   gguf.Type // F16, F32 or Q8_0
	Chunk   int       // rows of a prompt pass; 0: what suits the device
}

// Decoder turns prompts into tokens. It holds one conversation: the KV cache and
// the tokens that are in it. It is not safe for concurrent use.
type Decoder struct {
	net    *Net
	ctx    Context
	passes passes
	plan   *planner
	opt    DecoderOptions
	tokens []int32 // in the cache, one a position
}

// Geometry is what a decoder of the model has to hold.
func (m *Model) Geometry(o DecoderOptions) (Geometry, error) {
	if o.Context < 1 || o.Context > 1<<28 {
		return Geometry{}, fmt.Errorf("a context of %d tokens is out of range", o.Context)
	}
	switch o.Cache {
	case gguf.F32, gguf.F16:
	case gguf.Q8_0:
		if m.HeadDim%32 != 0 {
			return Geometry{}, fmt.Errorf("a q8_0 cache needs a head dim that is a multiple of 32, this model has %d: use f16", m.HeadDim)
		}
	default:
		return Geometry{}, fmt.Errorf("cache type %s: use f16, f32 or q8_0", o.Cache)
	}
	// Rows that get logits at once. A plain model decodes with one, but Eval and
	// TimePass take more; memory that is not used costs nothing.
	block := m.BlockSize
	if block == 0 {
		block = 32
	}
	return Geometry{
		Layers: len(m.Layers), Hidden: m.Hidden, Heads: m.Heads, KVHeads: m.KVHeads, HeadDim: m.HeadDim, FF: m.FF, Vocab: m.Vocab,
		Context: o.Context, Rows: max(min(o.Chunk, o.Context), block), Block: block, Cache: o.Cache, Eps: m.Eps, Rope: m.Rope,
	}, nil
}

// NewDecoder allocates a decoder on the device that n is placed on.
func NewDecoder(n *Net, o DecoderOptions) (*Decoder, error) {
	if o.Chunk <= 0 {
		o.Chunk = n.Backend.Chunk()
	}
	g, err := n.Geometry(o)
	if err != nil {
		return nil, err
	}
	ctx, err := n.Backend.Open(g)
	if err != nil {
		return nil, err
	}
	act, err := newActivations(ctx, g)
	if err != nil {
		ctx.Close()
		return nil, err
	}
	return &Decoder{
		net: n, ctx: ctx, opt: o,
		passes: passes{net: n, ctx: ctx, act: act, recorded: map[passKey]Pass{}},
		plan:   newPlanner(n.BlockSize, synchronisation(ctx)),
	}, nil
}

// synchronisation is the time that queueing something and waiting for it takes, and
// 0 for a device that computes at once. Waiting for nothing is all that it measures.
func synchronisation(ctx Context) time.Duration {
	const tries, atOnce = 5, 3 * time.Microsecond
	least := time.Hour
	for range tries {
		start := time.Now()
		ctx.Seek(0, nil)
		ctx.Wait() // an error shows again when something is run
		least = min(least, time.Since(start))
	}
	if least < atOnce {
		return 0
	}
	return least
}

// Close frees the decoder's memory.
func (d *Decoder) Close() error { return d.ctx.Close() }

// Memory tells what the decoder holds on the device.
func (d *Decoder) Memory() Memory { return d.ctx.Memory() }

// Context is the number of positions of the cache.
func (d *Decoder) Context() int { return d.opt.Context }

// Cached returns the tokens whose keys and values are in the cache. The slice
// is the decoder's own.
func (d *Decoder) Cached() []int32 { return d.tokens }

// Reset empties the cache.
func (d *Decoder) Reset() { d.tokens = d.tokens[:0] }

// Mode is a way to decode. It never changes the tokens (with rejection
// acceptance: their distribution).
type Mode uint8

const (
	Auto      Mode = iota // draft and verify as many rows as pay at every step
	DraftMode             // draft and verify a block at every step
	ARMode                // one token a pass
)

// GenerateOptions are the options of one answer.
type GenerateOptions struct {
	Mode      Mode
	Block     int // rows of a draft, in Auto the most, the known token included; 0: the model's block size
	MaxTokens int // 0: until the context is full
	Sampling  Sampling
	IgnoreEOG bool // go on after an end-of-generation token (for benchmarks)
}

// Stop says why an answer ended.
type Stop string

const (
	StopEOS         Stop = "eos"
	StopString      Stop = "stop"
	StopLength      Stop = "length"
	StopContext     Stop = "context"
	StopInterrupted Stop = "interrupted"
)

// Stats tell how an answer came about.
type Stats struct {
	Prompt     int   // tokens of the prompt
	Cached     int   // of these, found in the cache
	Tokens     int   // tokens generated, the end token included
	Accepted   []int // drafts accepted in each decode step
	Drafted    []int // rows of the draft in each decode step, 1 without a draft
	Verified   int   // drafts verified, in all steps
	Forwards   int   // passes of decoding: a draft-and-verify step has two
	PromptTime time.Duration
	DecodeTime time.Duration
	Stop       Stop
}

// Generate continues prompt. Tokens already in the cache from earlier calls are
// used as far as they agree with the prompt. emit receives the tokens one by
// one, the end-of-generation token included, and returns false to stop after
// that token. A cancelled context ends the answer cleanly, with what there is.
func (d *Decoder) Generate(ctx context.Context, prompt []int32, o GenerateOptions, emit func(token int32) bool) (stats Stats, err error) {
	stats.Prompt = len(prompt)
	block, err := d.check(prompt, o)
	if err != nil {
		return stats, err
	}
	d.ctx.Sample(o.Sampling)
	d.plan.begin()

	start := time.Now()
	next, done, err := d.prefill(ctx, prompt, &stats)
	stats.PromptTime = time.Since(start)
	if err != nil || done {
		return stats, err
	}

	// Invariant: the cache holds the first pos tokens of text = prompt and answer,
	// and the control block stands ready for the pass that feeds the one after.
	start = time.Now()
	defer func() { stats.DecodeTime = time.Since(start) }()
	text := append([]int32(nil), prompt...)
	pos := len(prompt)
	for {
		for _, token := range next {
			text = append(text, token)
			stats.Tokens++
			if stats.Stop = d.stop(token, stats.Tokens, len(text), o); !emit(token) && stats.Stop == "" {
				stats.Stop = StopString
			}
			if stats.Stop != "" {
				break
			}
		}
		if stats.Stop == "" && ctx.Err() != nil {
			stats.Stop = StopInterrupted
		}
		d.tokens = append(d.tokens[:0], text[:min(pos, len(text))]...)
		if stats.Stop != "" {
			return stats, nil
		}
		left := d.opt.Context - pos
		if o.MaxTokens > 0 {
			left = min(left, o.MaxTokens-stats.Tokens)
		}
		if next, err = d.step(pos, block, left, o, nil, &stats); err != nil {
			d.Reset()
			return stats, err
		}
		pos += len(next)
	}
}

// check validates the arguments of Generate and returns the rows of a draft, 1
// for none.
func (d *Decoder) check(prompt []int32, o GenerateOptions) (block int, err error) {
	switch {
	case len(prompt) == 0:
		return 0, fmt.Errorf("the prompt is empty")
	case len(prompt) >= d.opt.Context:
		return 0, fmt.Errorf("the prompt has %d tokens and the context %d: raise -c", len(prompt), d.opt.Context)
	case o.Mode == DraftMode && !d.net.HasDiffusion():
		return 0, fmt.Errorf("a plain %s model has no diffusion view: use --mode ar", d.net.Arch)
	case o.Block < 0 || o.Block > max(d.net.BlockSize, 1) && o.Mode != ARMode:
		return 0, fmt.Errorf("a block of %d rows is out of range: this model drafts with 1 to %d", o.Block, max(d.net.BlockSize, 1))
	}
	for _, t := range prompt {
		if t < 0 || int(t) >= d.net.Vocab {
			return 0, fmt.Errorf("token %d is outside the vocabulary of %d", t, d.net.Vocab)
		}
	}
	if o.Mode == ARMode || !d.net.HasDiffusion() {
		return 1, nil
	}
	if o.Block == 0 {
		return d.net.BlockSize, nil
	}
	return o.Block, nil
}

// prefill brings the prompt into the cache and returns the first token after it.
func (d *Decoder) prefill(ctx context.Context, prompt []int32, stats *Stats) (next []int32, done bool, err error) {
	// The last token is always fed: its logits choose the next one.
	n := 0
	for n < min(len(d.tokens), len(prompt)-1) && d.tokens[n] == prompt[n] {
		n++
	}
	stats.Cached = n
	d.tokens = append(d.tokens[:0], prompt[:n]...)
	for n < len(prompt) {
		if ctx.Err() != nil {
			stats.Stop = StopInterrupted
			return nil, true, nil
		}
		rows := min(len(prompt)-n, max(d.opt.Chunk, 1))
		last := n+rows == len(prompt)
		var pass Pass
		if last {
			pass, err = d.passes.check(rows, 1, false)
		} else {
			pass, err = d.passes.fill(rows)
		}
		if err != nil {
			return nil, true, err
		}
		d.ctx.Seek(n, prompt[n:n+rows])
		d.ctx.Run(pass)
		// A prompt is long enough that waiting for each chunk costs nothing, and it
		// lets an interrupt through.
		out, err := d.ctx.Wait()
		if err != nil {
			d.Reset()
			return nil, true, err
		}
		n += rows
		d.tokens = append(d.tokens[:0], prompt[:n]...)
		next = out.Tokens
	}
	return next, false, nil
}

// step decodes once from position pos, where left more tokens are wanted. It
// drafts a block of the full size, or what is left of the context, or in Auto as
// many rows as pay; and verifies no more than left rows.
func (d *Decoder) step(pos, block, left int, o GenerateOptions, replay *replay, stats *Stats) ([]int32, error) {
	rows := min(block, d.opt.Context-pos)
	verify := min(rows, left)
	plan := d.plan
	if o.Mode != Auto || block == 1 {
		plan = nil
	}
	look := false // at the drafts' chances, before they are verified
	if plan != nil {
		rows, look = plan.draft(rows, verify)
		verify = min(verify, rows)
	}
	s := plannedStep{drafted: 1}
	keep := o.Sampling.Acceptance == Rejection && !o.Sampling.Greedy()
	chances := func(out Outcome) []float32 {
		if replay != nil {
			out.Chances, _ = replay.trace.at(replay.step, rows)
		}
		return out.Chances
	}
	start := time.Now()
	if verify > 1 {
		s.drafted = rows
		draft, err := d.passes.draft(rows, verify-1, keep)
		if err != nil {
			return nil, err
		}
		start = time.Now()
		d.ctx.Run(draft)
		stats.Forwards++
		if look {
			out, err := d.ctx.Wait()
			if err != nil {
				return nil, err
			}
			s.chances, s.draftTime = chances(out), time.Since(start)
			verify = plan.verify(s.chances, verify)
		}
	}
	check, err := d.passes.check(verify, verify, keep && verify > 1)
	if err != nil {
		return nil, err
	}
	if look || s.drafted == 1 {
		start = time.Now()
	}
	d.ctx.Run(check)
	stats.Forwards++
	out, err := d.ctx.Wait()
	if err != nil {
		return nil, err
	}
	if s.chances == nil {
		s.chances = chances(out)
	}
	next := out.Tokens
	if replay != nil {
		_, accepted := replay.trace.at(replay.step, s.drafted)
		next = make([]int32, min(accepted, verify-1)+1)
	}
	s.verified, s.accepted, s.verifyTime = verify, len(next)-1, time.Since(start)
	stats.Accepted = append(stats.Accepted, s.accepted)
	stats.Drafted = append(stats.Drafted, s.drafted)
	stats.Verified += verify - 1
	if plan != nil {
		plan.learn(s)
	}
	return next, nil
}

// stop says whether the answer ends with token, the n-th generated, which makes
// the text length tokens long.
func (d *Decoder) stop(token int32, n, length int, o GenerateOptions) Stop {
	if !o.IgnoreEOG {
		for _, id := range d.net.EOG {
			if token == id {
				return StopEOS
			}
		}
	}
	if o.MaxTokens > 0 && n >= o.MaxTokens {
		return StopLength
	}
	if length >= d.opt.Context {
		return StopContext
	}
	return ""
}
