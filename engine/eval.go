package engine

import (
	"fmt"
	"slices"
	"time"
)

// Eval runs tokens through a view at the end of the first pos cached positions
// and returns their logits, one row of Vocab values a token. The AR view writes
// the cache, which then holds the first pos tokens and these.
func (d *Decoder) Eval(view View, pos int, tokens []int32) ([][]float32, error) {
	if pos < 0 || pos > len(d.tokens) || pos+len(tokens) > d.opt.Context {
		return nil, fmt.Errorf("positions %d to %d are outside the cache", pos, pos+len(tokens))
	}
	if view == Diffusion && (!d.net.HasDiffusion() || len(tokens) > d.net.BlockSize) {
		return nil, fmt.Errorf("the diffusion view has no block of %d rows", len(tokens))
	}
	d.tokens = d.tokens[:pos]
	var rows [][]float32
	for len(tokens) > 0 {
		n := min(len(tokens), d.passes.act.logits.Rows())
		if err := d.runEval(view, pos, tokens[:n]); err != nil {
			return nil, err
		}
		flat := make([]float32, n*d.net.Vocab)
		if err := d.ctx.Read(d.passes.act.logits.Slice(0, n), flat); err != nil {
			return nil, err
		}
		for i := range n {
			rows = append(rows, flat[i*d.net.Vocab:(i+1)*d.net.Vocab])
		}
		if view == AR {
			d.tokens = append(d.tokens, tokens[:n]...)
		}
		pos, tokens = pos+n, tokens[n:]
	}
	return rows, nil
}

func (d *Decoder) runEval(view View, pos int, tokens []int32) error {
	pass, err := d.passes.eval(view, len(tokens))
	if err != nil {
		return err
	}
	d.ctx.Seek(pos, tokens)
	d.ctx.Run(pass)
	_, err = d.ctx.Wait()
	return err
}

// Blank makes the cache hold n tokens 0, their keys and values zeros unless a
// text of tokens 0 is there already, to measure behind a text of that length: the
// time does not depend on what the text says, but on its memory having been
// written.
func (d *Decoder) Blank(n int) error {
	if n < 0 || n > d.opt.Context {
		return fmt.Errorf("%d tokens are outside the context of %d", n, d.opt.Context)
	}
	if n <= len(d.tokens) && !slices.ContainsFunc(d.tokens[:n], func(t int32) bool { return t != 0 }) {
		d.tokens = d.tokens[:n]
		return nil
	}
	d.Reset()
	size, err := d.opt.Cache.RowBytes(d.net.HeadDim)
	if err != nil {
		return err
	}
	zeros := make([]byte, 2*d.net.KVHeads*n*size)
	for layer := range d.net.layers {
		if err := d.ctx.RestoreKV(zeros, layer, n); err != nil {
			return err
		}
	}
	d.tokens = append(d.tokens, make([]int32, n)...)
	return nil
}

// TimePass measures one pass of rows rows (at most the block size) of a view
// with all its logits, behind pos blank tokens, as decoding would run it. The
// cache holds these afterwards.
func (d *Decoder) TimePass(view View, pos, rows int) (time.Duration, error) {
	if rows < 1 || rows > d.passes.act.logits.Rows() || pos < 0 || pos+rows > d.opt.Context {
		return 0, fmt.Errorf("a pass of %d rows at position %d is out of range", rows, pos)
	}
	if err := d.Blank(pos); err != nil {
		return 0, err
	}
	tokens := make([]int32, rows)
	for i := range tokens {
		tokens[i] = int32((1 + i*7919) % d.net.Vocab)
	}
	pass, err := d.passes.eval(view, rows)
	if err != nil {
		return 0, err
	}
	d.ctx.Seek(pos, tokens)
	if _, err := d.ctx.Wait(); err != nil {
		return 0, err
	}
	start := time.Now()
	d.ctx.Run(pass)
	_, err = d.ctx.Wait()
	return time.Since(start), err
}

// TimeStep measures a whole step behind pos blank tokens: a draft of rows rows, the
// verification of all of them, and the wait for what was accepted. The cache holds
// the blank tokens afterwards.
func (d *Decoder) TimeStep(pos, rows int) (time.Duration, error) {
	if !d.net.HasDiffusion() || rows < 2 || rows > d.net.BlockSize || pos < 0 || pos+rows > d.opt.Context {
		return 0, fmt.Errorf("a step of %d rows at position %d is out of range", rows, pos)
	}
	if err := d.Blank(pos); err != nil {
		return 0, err
	}
	draft, err := d.passes.draft(rows, rows-1, false)
	if err != nil {
		return 0, err
	}
	check, err := d.passes.check(rows, rows, false)
	if err != nil {
		return 0, err
	}
	d.ctx.Sample(Sampling{})
	d.ctx.Seek(pos, []int32{0})
	if _, err := d.ctx.Wait(); err != nil {
		return 0, err
	}
	start := time.Now()
	d.ctx.Run(draft)
	d.ctx.Run(check)
	_, err = d.ctx.Wait()
	return time.Since(start), err
}

// TimePrompt measures the prompt passes over n tokens behind pos blank ones. The
// cache holds these afterwards.
func (d *Decoder) TimePrompt(pos, n int) (time.Duration, error) {
	if n < 1 || pos < 0 || n > d.opt.Context-pos {
		return 0, fmt.Errorf("a prompt of %d tokens at position %d is outside the context of %d", n, pos, d.opt.Context)
	}
	if err := d.Blank(pos); err != nil {
		return 0, err
	}
	tokens := make([]int32, n)
	for i := range tokens {
		tokens[i] = int32((1 + i*7919) % d.net.Vocab)
	}
	start := time.Now()
	for at := 0; at < n; at += d.opt.Chunk {
		rows := min(n-at, d.opt.Chunk)
		record := d.passes.fill
		if at+rows == n {
			record = func(n int) (Pass, error) { return d.passes.check(n, 1, false) }
		}
		pass, err := record(rows)
		if err != nil {
			return 0, err
		}
		d.ctx.Seek(pos+at, tokens[at:at+rows])
		d.ctx.Run(pass)
		if _, err := d.ctx.Wait(); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}
