//go:build emulator && linux

package metal

import (
	flags "flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"orthrus/internal/emulator"
	metalemulator "orthrus/metal/emulator"
)

// emulated is a device of the emulator.
type emulated struct {
	machine *emulator.Machine
	random  *rand.Rand
	// late: work runs when it is waited for, else when it is queued. A device does it at any time between.
	late bool
	// twice: every dispatch runs twice, in other orders, and has to write the same.
	twice bool
	props properties
}

// thorough has the tests look at everything that they could: go test -tags emulator ./metal -thorough -timeout 2h.
var thorough = flags.Bool("thorough", false, "let the tests take hours")

func loader(checked bool) func() (*emulator.Machine, error) {
	return sync.OnceValues(func() (*emulator.Machine, error) {
		return metalemulator.Load("emulator", kernelSource(), checked)
	})
}

// loadFast leaves out the check of every access to memory.
var loadKernels, loadFast = loader(true), loader(false)

// newEmulated gives a device with nothing on it.
func newEmulated(t testing.TB, seed uint64) *emulated {
	t.Helper()
	return newDevice(t, loadKernels, seed)
}

func newDevice(t testing.TB, load func() (*emulator.Machine, error), seed uint64) *emulated {
	t.Helper()
	m, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return &emulated{machine: m, random: rand.New(rand.NewPCG(seed, 0)), props: properties{
		name: "emulator", family: 7, memory: 4 << 30, maxBuffer: 2 << 30, shared: 32 << 10,
	}}
}

// testDevice is the device of kernels' tests, which a GPU can run too: every dispatch runs twice.
func testDevice(t testing.TB, seed uint64) device {
	t.Helper()
	d := newEmulated(t, seed)
	d.twice, d.late = true, seed%2 == 1
	return d
}

// modelDevice is the device of tests that decode.
func modelDevice(t testing.TB, seed uint64) device {
	t.Helper()
	d := newDevice(t, loadFast, seed)
	d.late = seed%2 == 1
	return d
}

func (e *emulated) properties() properties { return e.props }

func (e *emulated) close() error { return nil }

// emulatedBuffer is memory of the emulator.
type emulatedBuffer struct {
	machine *emulator.Machine
	at      uintptr
	n       int
	wrapped bool
}

func (b *emulatedBuffer) bytes() []byte { return emulator.Bytes(b.at, b.n) }

func (b *emulatedBuffer) release() {
	if err := b.machine.Release(b.at); err != nil {
		panic(err)
	}
}

func (e *emulated) alloc(bytes int64) (buffer, error) {
	if bytes <= 0 || bytes > e.props.maxBuffer {
		return nil, fmt.Errorf("emulator: buffer of %d bytes, of at most %d", bytes, e.props.maxBuffer)
	}
	at, err := e.machine.Allocate(bytes)
	return &emulatedBuffer{machine: e.machine, at: at, n: int(bytes)}, err
}

// wrap copies, so that the emulator sees what goes beyond.
func (e *emulated) wrap(address uintptr, bytes int64) (buffer, error) {
	if page := os.Getpagesize(); address%uintptr(page) != 0 || bytes%int64(page) != 0 {
		return nil, fmt.Errorf("emulator: wraps %d bytes at %#x, which are not whole pages", bytes, address)
	}
	b, err := e.alloc(bytes)
	if err == nil {
		copy(b.bytes(), unsafe.Slice((*byte)(memory(address)), bytes))
		b.(*emulatedBuffer).wrapped = true
	}
	return b, err
}

type emulatedPipeline string

func (emulatedPipeline) threads() int { return 1024 }

func (e *emulated) pipeline(kernel string) (pipeline, error) {
	if _, ok := e.machine.Kernels[kernel]; !ok {
		return nil, fmt.Errorf("emulator: no kernel %s", kernel)
	}
	return emulatedPipeline(kernel), nil
}

type emulatedQueue struct {
	*emulated
	waiting []dispatch
	err     error
}

func (e *emulated) queue() (queue, error) { return &emulatedQueue{emulated: e}, nil }

func (q *emulatedQueue) close() {}

func (q *emulatedQueue) run(list []dispatch) error {
	q.waiting = append(q.waiting, list...)
	if q.late {
		return nil
	}
	return q.wait()
}

func (q *emulatedQueue) wait() error {
	for len(q.waiting) > 0 && q.err == nil {
		n := 1
		for n < len(q.waiting) && q.waiting[n].beside {
			n++
		}
		together := slices.Clone(q.waiting[:n])
		q.waiting = q.waiting[n:]
		q.random.Shuffle(n, func(i, j int) { together[i], together[j] = together[j], together[i] })
		for _, d := range together {
			if q.err = q.dispatch(d); q.err != nil {
				break
			}
		}
	}
	return q.err
}

// dispatch runs a kernel, twice if that is asked for.
func (q *emulatedQueue) dispatch(d dispatch) error {
	if d.shared > q.props.shared {
		return fmt.Errorf("emulator: %s: %d bytes of threadgroup memory, of at most %d", d.pipeline, d.shared, q.props.shared)
	}
	if !q.twice {
		return q.launch(d)
	}
	before := q.contents(d)
	if err := q.launch(d); err != nil {
		return err
	}
	after := q.contents(d)
	for i, b := range d.buffers {
		if before[i] != nil {
			copy(b.buffer.bytes(), before[i])
		}
	}
	if err := q.launch(d); err != nil {
		return err
	}
	for i, b := range d.buffers {
		if after[i] == nil {
			continue
		}
		if bytes := b.buffer.bytes(); !slices.Equal(bytes, after[i]) {
			at := 0
			for bytes[at] == after[i][at] {
				at++
			}
			return fmt.Errorf("emulator: %s: byte %d of the buffer at %d depends on the order of threads or of sums", d.pipeline, at, i+1)
		}
	}
	return nil
}

// contents are copies of the buffers that a dispatch may write; nil for the others.
func (q *emulatedQueue) contents(d dispatch) [][]byte {
	list := make([][]byte, len(d.buffers))
	for i, b := range d.buffers {
		if !b.buffer.(*emulatedBuffer).wrapped {
			list[i] = slices.Clone(b.buffer.bytes())
		}
	}
	return list
}

func (q *emulatedQueue) launch(d dispatch) error {
	addresses := make([]uintptr, len(d.buffers))
	for i, b := range d.buffers {
		mine := b.buffer.(*emulatedBuffer)
		if b.offset < 0 || b.offset >= int64(mine.n) {
			return fmt.Errorf("emulator: %s: offset %d in buffer %d, of %d bytes", d.pipeline, b.offset, i+1, mine.n)
		}
		addresses[i] = mine.at + uintptr(b.offset)
	}
	return metalemulator.Launch(q.machine, string(d.pipeline.(emulatedPipeline)), d.groups, d.threads, d.shared, d.args, addresses, q.random.Uint64())
}
