package cuda

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"unsafe"
)

// fake is a device that computes nothing. It keeps account of its memory and of what is launched.
type fake struct {
	mu        sync.Mutex
	total     int64
	used      int64
	allocs    int // that may still succeed, if not negative
	next      pointer
	blocks    map[pointer][]byte
	queues    int
	graphs    int
	recording bool
	launches  []string // kernels, those in a graph when it runs
	fails     bool     // the next launch does
}

var errFake = errors.New("no more")

func newFake(t testing.TB, total int64) *fake {
	f := &fake{total: total, allocs: -1, next: 1 << 20, blocks: map[pointer][]byte{}, queues: 1}
	t.Cleanup(func() {
		if len(f.blocks) > 0 || f.queues > 0 || f.graphs > 0 {
			t.Errorf("%d allocations, %d queues and %d graphs are left", len(f.blocks), f.queues, f.graphs)
		}
	})
	return f
}

func (f *fake) properties() properties {
	return properties{name: "fake", major: 8, multiprocessors: 4, shared: 99 << 10, l2: 4 << 20}
}

func (f *fake) memory() (free, total int64, err error) { return f.total - f.used, f.total, nil }

func (f *fake) take(bytes int64) (pointer, []byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.allocs == 0 {
		return 0, nil, errFake
	}
	f.allocs--
	p := f.next
	f.next += pointer(align(bytes)) + 4096
	f.blocks[p] = make([]byte, bytes)
	return p, f.blocks[p], nil
}

func (f *fake) drop(p pointer) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	block, ok := f.blocks[p]
	if !ok {
		panic("freed twice")
	}
	delete(f.blocks, p)
	return int64(len(block))
}

func (f *fake) free(p pointer) { f.used -= f.drop(p) }

func (f *fake) alloc(bytes int64) (pointer, error) {
	if f.used+bytes > f.total {
		return 0, errFake
	}
	p, _, err := f.take(bytes)
	if err == nil {
		f.used += bytes
	}
	return p, err
}

func (f *fake) pin(bytes int) ([]byte, pointer, error) {
	p, host, err := f.take(int64(bytes))
	return host, p, err
}

func (f *fake) unpin(p pointer) { f.drop(p) }

// at is the memory from p on.
func (f *fake) at(p pointer, bytes int) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for start, block := range f.blocks {
		if p >= start && p+pointer(bytes) <= start+pointer(len(block)) {
			return block[p-start:][:bytes], nil
		}
	}
	return nil, fmt.Errorf("%d bytes at %d are not allocated", bytes, p)
}

func (f *fake) upload(dst pointer, src []byte) error {
	to, err := f.at(dst, len(src))
	copy(to, src)
	return err
}

func (f *fake) download(dst []byte, src pointer) error {
	from, err := f.at(src, len(dst))
	copy(dst, from)
	return err
}

func (f *fake) launch(kernel string, _ [3]int, _, _ int, _ unsafe.Pointer, _ uintptr) error {
	if f.fails {
		f.fails = false
		return errFake
	}
	if !f.recording {
		f.launches = append(f.launches, kernel)
	}
	return nil
}

func (f *fake) record(build func() error) (graph, error) {
	f.recording = true
	err := build()
	f.recording = false
	if err != nil {
		return nil, err
	}
	f.graphs++
	return &fakeGraph{f}, nil
}

func (f *fake) run(graph) error {
	f.launches = append(f.launches, "graph")
	return nil
}

func (f *fake) wait() error { return nil }

func (f *fake) fork() (device, error) {
	f.queues++
	return f, nil
}

func (f *fake) close() error {
	f.queues--
	return nil
}

type fakeGraph struct{ *fake }

func (g *fakeGraph) release() { g.graphs-- }
