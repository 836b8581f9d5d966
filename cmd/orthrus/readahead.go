package main

import (
	"context"
	"strings"

	"orthrus/engine"
	"orthrus/engine/chat"
)

// readAhead brings the cache to what the next prompt will begin with, while the
// person types.
//
// Templates show an answer differently once it lies in the past: Qwen3's leaves
// its reasoning out, even an empty <think></think>. From there on the cache does
// not fit the next prompt, and the last answer must be read again. That happens
// here, and is over before most people have typed a line.
type readAhead struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// readAheadRows is small, so that a new message does not wait long for the pass
// that is running.
const readAheadRows = 32

// readAhead starts reading the conversation so far.
func (r *repl) readAhead() {
	ids := r.nextPrompt()
	if len(ids) >= r.m.d.Context() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &readAhead{cancel: cancel, done: make(chan struct{})}
	r.ahead = a
	go func() {
		defer close(a.done)
		for n := r.known(ids); n < len(ids) && ctx.Err() == nil; {
			n = min(n+readAheadRows, len(ids))
			o := engine.GenerateOptions{Mode: engine.ARMode, MaxTokens: 1}
			if _, err := r.m.d.Generate(ctx, ids[:n], o, func(int32) bool { return false }); err != nil {
				return // the next answer meets the same error and tells it
			}
		}
	}()
}

// stopReading ends reading ahead. Every use of the decoder comes after it.
func (r *repl) stopReading() {
	if r.ahead != nil {
		r.ahead.cancel()
		<-r.ahead.done
		r.ahead = nil
	}
}

// known counts the first tokens of ids that are in the cache.
func (r *repl) known(ids []int32) (n int) {
	cached := r.m.d.Cached()
	for n < len(ids) && n < len(cached) && ids[n] == cached[n] {
		n++
	}
	return n
}

// nextPrompt is what the next prompt will begin with: the conversation rendered
// with a further message, up to that message.
func (r *repl) nextPrompt() []int32 {
	const next = "\uf8ffnext message\uf8ff"
	text, err := r.m.render(append(r.conversation(), chat.Message{Role: "user", Content: next}), r.think)
	if err != nil {
		return nil
	}
	before, _, found := strings.Cut(text, next)
	if !found {
		return nil
	}
	return r.m.tok.Encode(before, true)
}
