package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"

	"orthrus/engine"
)

// A file of traces is a JSON list of [engine.Trace], compressed by zstd if its
// name ends in .zst.

// maxTraces bounds the JSON of a file of traces, in bytes. In memory it may take
// some thirty times as much.
const maxTraces = 32 << 20

// record writes what drafting gives along the answers to the prompts.
func (b *bench) record(ctx context.Context, path string) error {
	if !b.m.weights.HasDiffusion() {
		return fmt.Errorf("--record: %s has no diffusion view to draft with", b.m.name())
	}
	var traces []*engine.Trace
	positions := 0
	for i, ids := range b.prompts {
		b.c.status("recording prompt %d of %d", i+1, len(b.prompts))
		t, err := b.m.d.Trace(ctx, ids, b.f.n)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("prompt %d: %w", i+1, err)
		}
		traces = append(traces, t)
		positions += len(t.Steps)
	}
	err := replaceFile(path, func(f *os.File) error { return writeTraces(f, traces, strings.HasSuffix(path, ".zst")) })
	if err == nil {
		b.c.status("")
		b.c.say("recorded %s of %s in %s", plural(positions, "position"), plural(len(traces), "answer"), path)
	}
	return err
}

func writeTraces(w io.Writer, traces []*engine.Trace, compressed bool) error {
	if !compressed {
		return writeJSON(w, traces)
	}
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return err
	}
	err = writeJSON(z, traces)
	if closed := z.Close(); err == nil {
		err = closed
	}
	return err
}

// readTraces reads what writeTraces wrote and checks that every trace fits in a
// context.
func readTraces(path string, context int) ([]*engine.Trace, error) {
	data, err := readLimited(path)
	if err != nil {
		return nil, err
	}
	traces, err := parseTraces(data, context)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return traces, nil
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxTraces+1))
	if err == nil && len(data) > maxTraces {
		err = fmt.Errorf("%s: larger than %s", path, bytesText(maxTraces))
	}
	return data, err
}

func parseTraces(data []byte, context int) (traces []*engine.Trace, err error) {
	if bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}) { // a zstd frame (RFC 8878)
		z, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxTraces), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		if data, err = z.DecodeAll(data, nil); err != nil {
			return nil, err
		}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&traces); err != nil {
		return nil, fmt.Errorf("not a list of traces: %w", err)
	}
	if d.More() {
		return nil, errors.New("something follows the list of traces")
	}
	positions := 0
	for i, t := range traces {
		if t == nil {
			return nil, fmt.Errorf("trace %d is null", i)
		}
		if err := t.Check(context); err != nil {
			return nil, fmt.Errorf("trace %d: %w", i, err)
		}
		positions += len(t.Steps)
	}
	if positions == 0 {
		return nil, errors.New("no position to replay")
	}
	return traces, nil
}

// benchReplay is the decoding of traces in auto, and of some positions of each
// one by one.
type benchReplay struct {
	Traces int          `json:"traces"`
	AR     decodeTotals `json:"ar"`
	Auto   decodeTotals `json:"auto"`
	Rows   []int        `json:"drafts_by_rows"` // steps by the rows of their draft, 1 for none
}

// replayOneByOne is how many positions of a trace are decoded one by one.
const replayOneByOne = 8

// replay decodes traces. What it is held against runs in turn with it, at the
// same positions.
func (b *bench) replay(ctx context.Context, r *benchResult) error {
	d := &benchReplay{Traces: len(b.traces), Rows: make([]int, r.Block+1)}
	r.Replay = d
	for i, t := range b.traces {
		b.c.status("trace %d of %d", i+1, len(b.traces))
		start := *t
		start.Steps = t.Steps[:min(len(t.Steps), replayOneByOne)]
		ar, err := b.m.d.Replay(ctx, &start, engine.GenerateOptions{Mode: engine.ARMode})
		if err != nil {
			return fmt.Errorf("trace %d: %w", i, err)
		}
		auto, err := b.m.d.Replay(ctx, t, engine.GenerateOptions{Block: b.f.block})
		if err != nil {
			return fmt.Errorf("trace %d: %w", i, err)
		}
		for _, s := range []*engine.Stats{&ar, &auto} {
			s.Tokens++ // the first of the answer, which the trace begins with
		}
		d.AR.add(ar)
		d.Auto.add(auto)
		for _, n := range auto.Drafted {
			d.Rows[n]++
		}
	}
	return nil
}
