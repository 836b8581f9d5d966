//go:build emulator && linux

package metal

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// liar is a device whose products of 8x8 matrices, or all, are not what they should be.
type liar struct {
	device
	about string
}

func (l liar) pipeline(kernel string) (pipeline, error) {
	if strings.HasPrefix(kernel, l.about) {
		kernel = strings.Replace(kernel, "q8_0", "q4_0", 1)
	}
	return l.device.pipeline(kernel)
}

// TestVerify finds products that differ.
func TestVerify(t *testing.T) {
	for _, typ := range types {
		b := newBackend(newEmulated(t, 1))
		if err := b.verify(typ); err != nil || !b.exact {
			t.Errorf("%v: exact %v: %v", typ, b.exact, err)
		}
	}
	b := newBackend(liar{newEmulated(t, 1), "multiplyTile_q8_0"})
	if err := b.verify(gguf.Q8_0); err != nil || b.exact {
		t.Errorf("inexact products of matrices: exact %v: %v", b.exact, err)
	}
	b = newBackend(liar{newEmulated(t, 1), "multiplyRow_q8_0"})
	if err := b.verify(gguf.Q8_0); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("inexact products of rows: %v", err)
	}
}

// TestSmallBuffers places a model where buffers are small.
func TestSmallBuffers(t *testing.T) {
	m := golden.Model(t, "q8_0")
	e := newEmulated(t, 1)
	e.props.maxBuffer = 8 << 20
	n := place(t, m, e)
	golden.Decoder(t, n, engine.DecoderOptions{Context: 64, Cache: gguf.F16, Chunk: 32})
	b := n.Backend.(*Backend)
	if len(b.wrapped) < 3 {
		t.Errorf("%d buffers for %d bytes of weights", len(b.wrapped), m.Bytes())
	}
	e.props.maxBuffer = 1 << 20
	if _, err := engine.NewDecoder(place(t, m, e), engine.DecoderOptions{Context: 64, Cache: gguf.F16}); err == nil {
		t.Error("a tensor that is larger than a buffer")
	}
}

// reluctant is a device that wraps nothing.
type reluctant struct{ device }

func (reluctant) wrap(uintptr, int64) (buffer, error) { return nil, errors.New("not this memory") }

// TestWrap has weights that share pages, weights side by side that share none, and memory that the device does not take.
func TestWrap(t *testing.T) {
	page := os.Getpagesize()
	memory := make([]byte, 5*page)
	for i := range memory {
		memory[i] = byte(i * i >> 3)
	}
	memory = memory[page-int(address(memory))%page:]
	for _, d := range []device{newEmulated(t, 1), reluctant{newEmulated(t, 1)}} {
		b := newBackend(d)
		var weights []*weight
		for _, part := range [][]byte{memory[2*page : 3*page], memory[:page-64], memory[page-64 : 2*page]} {
			w, err := b.Weight(&gguf.Tensor{Type: gguf.F32, Dims: []int{len(part) / 4}, Data: part})
			if err != nil {
				t.Fatal(err)
			}
			weights = append(weights, w.(*weight))
		}
		if err := b.wrap(); err != nil {
			t.Fatal(err)
		}
		if len(b.wrapped) != 2 || weights[1].at.buffer != weights[2].at.buffer {
			t.Errorf("%d buffers", len(b.wrapped))
		}
		for i, w := range weights {
			if got := w.at.buffer.bytes()[w.at.offset:][:len(w.data)]; !slices.Equal(got, w.data) {
				t.Errorf("%T: weight %d is not in its buffer", d, i)
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestGeometry refuses what kernels cannot do, in one line.
func TestGeometry(t *testing.T) {
	b := newBackend(newEmulated(t, 1))
	for _, g := range []engine.Geometry{
		{Heads: 2, KVHeads: 2, HeadDim: 12}, {Heads: 2, KVHeads: 2, HeadDim: 264}, {Heads: 3, KVHeads: 2, HeadDim: 64},
	} {
		if _, err := b.open(g); err == nil {
			t.Errorf("%+v is accepted", g)
		}
	}
}

// TestLimits measures, of whatever device; the figures of the emulator mean nothing.
func TestLimits(t *testing.T) {
	bytes, operations, err := newBackend(newEmulated(t, 1)).limits(1<<16, 2, 3)
	if err != nil || !(bytes > 0 && operations > 0) {
		t.Errorf("%g bytes, %g operations a second: %v", bytes, operations, err)
	}
}

// faulty is a device that gives up what is queued, once: when it has been waited for so many times.
type faulty struct {
	device
	waits *int
}

func (f faulty) queue() (queue, error) {
	q, err := f.device.queue()
	return faultyQueue{q.(*emulatedQueue), f.waits}, err
}

type faultyQueue struct {
	*emulatedQueue
	waits *int
}

func (q faultyQueue) wait() error {
	if *q.waits--; *q.waits == 0 {
		q.waiting = nil
		return errors.New("the GPU gave up")
	}
	return q.emulatedQueue.wait()
}

// TestFault ends an answer with the GPU's error; the next one is whole.
func TestFault(t *testing.T) {
	waits := 0
	n := place(t, golden.Model(t, "q8_0"), faulty{modelDevice(t, 1), &waits})
	d := golden.Decoder(t, n, engine.DecoderOptions{Context: 64, Cache: gguf.F16})
	prompt, o := golden.Cases(t)[0].IDs[:12], engine.GenerateOptions{MaxTokens: 4, Mode: engine.DraftMode, Block: 3}
	want, _ := golden.Generate(t, d, prompt, o)
	for fault := 1; fault <= 2; fault++ {
		d.Reset()
		waits = fault
		if _, err := d.Generate(t.Context(), prompt, o, func(int32) bool { return true }); err == nil || err.Error() != "the GPU gave up" {
			t.Errorf("fault %d: error %v", fault, err)
		}
		if got, _ := golden.Generate(t, d, prompt, o); !slices.Equal(got, want) {
			t.Errorf("after fault %d: %v, want %v", fault, got, want)
		}
	}
}
