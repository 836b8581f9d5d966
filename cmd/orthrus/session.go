package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"orthrus/engine"
)

// sessionWindow is the zstd window of session files; larger ones are refused.
const sessionWindow = 1 << 20

// save writes the conversation to a file.
func (r *repl) save(_ context.Context, path string) error {
	if path == "" {
		return errors.New("/save: name the file to write")
	}
	err := replaceFile(path, func(f *os.File) error { return r.writeSession(f) })
	if err != nil {
		return fmt.Errorf("/save: %w", err)
	}
	if info, err := os.Stat(path); err == nil {
		r.c.say("saved %s with %d cached tokens: %s", plural(len(r.messages)/2, "turn"), len(r.m.d.Cached()), bytesText(info.Size()))
	}
	return nil
}

func (r *repl) writeSession(w io.Writer) error {
	// Keys and values hardly shrink: the fastest level is as good as the best.
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(sessionWindow))
	if err != nil {
		return err
	}
	h := &sessionHeader{
		Model: r.m.weights.Fingerprint(), Name: r.m.name(),
		System: r.system, Messages: r.messages, Think: r.think, Sampling: r.sampling(),
	}
	err = writeSessionHeader(z, h)
	if err == nil {
		err = r.m.d.Save(z)
	}
	if closed := z.Close(); err == nil {
		err = closed
	}
	return err
}

// load replaces the conversation by a saved one. On an error the conversation
// stays as it is.
func (r *repl) load(_ context.Context, path string) error {
	if path == "" {
		return errors.New("/load: name a file that /save wrote")
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("/load: %w", err)
	}
	defer f.Close()
	h, err := r.readSession(f)
	if err != nil {
		return fmt.Errorf("/load %s: %w", path, err)
	}
	r.system, r.messages, r.think = h.System, h.Messages, h.Think
	r.setSampling(h.Sampling)
	r.last, r.generated = engine.Stats{}, 0
	r.c.say("loaded %s with %d cached tokens", plural(len(r.messages)/2, "turn"), len(r.m.d.Cached()))
	return nil
}

// readSession restores the cache and returns the rest. On an error the cache
// may be empty.
func (r *repl) readSession(f io.Reader) (*sessionHeader, error) {
	z, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(sessionWindow), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	h, err := readSessionHeader(z)
	if err != nil {
		return nil, err
	}
	if h.Model != r.m.weights.Fingerprint() {
		return nil, fmt.Errorf("saved with another model, %.60q: start orthrus with that one", h.Name)
	}
	err = r.m.d.Restore(z)
	if errors.Is(err, engine.ErrOtherModel) {
		return nil, fmt.Errorf("%w: try another --cache-type", err)
	}
	if err == nil {
		// The checksum at the end of the stream tells whether all before is sound.
		var more int64
		if more, err = io.Copy(io.Discard, io.LimitReader(z, 1)); err == nil && more > 0 {
			err = errors.New("damaged: data after the cache")
		}
	}
	if err != nil {
		r.m.d.Reset()
		return nil, err
	}
	return h, nil
}
