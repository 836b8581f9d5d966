package cpu

import (
	"runtime"
	"sync/atomic"
)

// pool runs loops on a fixed set of threads: the caller's and its helpers'.
// Between two loops a helper spins for some microseconds, since the next one
// usually follows at once, and then sleeps, so that a waiting terminal costs
// nothing.
type pool struct {
	helpers []helper
	body    func(thread, i int)
	count   int64
	next    atomic.Int64 // index of the next piece of the loop
	busy    atomic.Int32 // helpers that have not finished it
	round   atomic.Uint32
	closed  bool
}

type helper struct {
	asleep atomic.Bool
	wake   chan struct{}
}

// spins is how often a helper looks for work before it sleeps, about 20 µs.
const spins = 20_000

func newPool(threads int) *pool {
	p := &pool{helpers: make([]helper, threads-1)}
	for i := range p.helpers {
		p.helpers[i].wake = make(chan struct{}, 1)
		go p.help(i)
	}
	return p
}

func (p *pool) threads() int { return len(p.helpers) + 1 }

// run calls body for i = 0..n-1, in any order and on any thread.
func (p *pool) run(n int, body func(thread, i int)) {
	if n <= 1 || len(p.helpers) == 0 {
		for i := range n {
			body(0, i)
		}
		return
	}
	p.body, p.count = body, int64(n)
	p.start()
	p.work(0)
	for tries := 0; p.busy.Load() > 0; tries++ {
		if tries > spins {
			runtime.Gosched() // more threads than processors
		}
	}
}

// start lets the helpers begin a round.
func (p *pool) start() {
	p.next.Store(0)
	p.busy.Store(int32(len(p.helpers)))
	p.round.Add(1)
	for i := range p.helpers {
		if h := &p.helpers[i]; h.asleep.CompareAndSwap(true, false) {
			h.wake <- struct{}{}
		}
	}
}

func (p *pool) work(thread int) {
	for {
		i := p.next.Add(1) - 1
		if i >= p.count {
			return
		}
		p.body(thread, int(i))
	}
}

func (p *pool) help(i int) {
	h := &p.helpers[i]
	for seen := uint32(0); ; {
		for tries := 0; p.round.Load() == seen; tries++ {
			if tries < spins {
				continue
			}
			h.asleep.Store(true)
			// A round that began before asleep was set did not wake this helper.
			if p.round.Load() != seen && h.asleep.CompareAndSwap(true, false) {
				break
			}
			<-h.wake
		}
		seen = p.round.Load()
		if p.closed {
			return
		}
		p.work(i + 1)
		p.busy.Add(-1)
	}
}

func (p *pool) close() {
	p.closed = true
	p.start()
}
