package cpu

import (
	"runtime"
	"sync/atomic"
	"time"
)

// pool runs loops on a fixed set of threads: the caller's and its helpers'. A loop ends when its pieces are done;
// a helper that comes late, since another program has its processor, finds none left and holds nobody up.
//
// Between two loops a helper looks for the next one for a while, since that usually follows at once, and then
// sleeps, so that a waiting terminal costs nothing. So does the caller while others finish their pieces.
type pool struct {
	helpers []helper
	closed  atomic.Bool
	_       [64]byte

	// next is the index of the next piece, and in the upper half the number of pieces. Whoever adds 1 gets a piece,
	// if there is one left; body is that of this loop until the piece is done. Both are in one cache line, which goes
	// from thread to thread.
	next atomic.Uint64
	body func(thread, i int)
	_    [64]byte

	done     atomic.Uint32 // pieces of the loop, by helpers
	waiting  atomic.Bool   // the caller sleeps until all are
	finished chan struct{}
}

type helper struct {
	asleep atomic.Bool
	wake   chan struct{}
	_      [64]byte
}

const (
	// idle is how long a helper looks for the next loop: longer than what lies between two passes of decoding.
	idle = 100 * time.Microsecond
	// patience is how long the caller looks whether the others are done: longer than most pieces take.
	patience = 100 * time.Microsecond
)

func newPool(threads int) *pool {
	p := &pool{helpers: make([]helper, threads-1), finished: make(chan struct{}, 1)}
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
	p.body = body
	p.done.Store(0)
	p.next.Store(uint64(n)<<32 | 1)
	for i := range min(n-1, len(p.helpers)) {
		p.helpers[i].rouse()
	}
	body(0, 0)
	mine := 1
	for i, ok := p.take(); ok; i, ok = p.take() {
		body(0, i)
		mine++
	}
	complete := func() bool { return p.done.Load() == uint32(n-mine) }
	for !spin(patience, complete) {
		p.waiting.Store(true)
		if !complete() || !p.waiting.CompareAndSwap(true, false) {
			<-p.finished // perhaps from who was late to see that the loop before had ended, or ended one of several pieces
		}
	}
}

// loop returns a function that calls body for i = 0..n-1, which takes one thread about ns nanoseconds in all.
func (p *pool) loop(n int, ns float64, body func(i int)) func() {
	pieces := min(n, p.pieces(ns))
	piece := func(_, k int) {
		for i := k * n / pieces; i < (k+1)*n/pieces; i++ {
			body(i)
		}
	}
	return func() { p.run(pieces, piece) }
}

// pieces is how many pieces a loop that takes one thread so many nanoseconds is cut into: as few as keep all threads
// busy, since handing out each takes time too, and a few more for each thread if they are long, so that one that is
// held up delays the others little.
func (p *pool) pieces(ns float64) int {
	const short, long = 700, 5000
	threads := p.threads()
	if few := int(ns / short); few < threads {
		return max(1, few)
	}
	return threads * max(1, min(int(ns/float64(threads)/long), 4))
}

// spin looks until ready, or returns false after a time. It lets other goroutines have the processor now and then.
func spin(limit time.Duration, ready func() bool) bool {
	for start := time.Now(); ; runtime.Gosched() {
		for range 5000 {
			if ready() {
				return true
			}
		}
		if time.Since(start) > limit {
			return false
		}
	}
}

// left tells whether a loop has pieces that nobody has taken.
func (p *pool) left() bool {
	next := p.next.Load()
	return uint32(next) < uint32(next>>32)
}

// take gets a piece that nobody has taken, if there is one.
func (p *pool) take() (i int, ok bool) {
	if !p.left() {
		return 0, false
	}
	next := p.next.Add(1) - 1
	return int(uint32(next)), uint32(next) < uint32(next>>32)
}

func (p *pool) help(i int) {
	h := &p.helpers[i]
	ready := func() bool { return p.left() || p.closed.Load() }
	for !p.closed.Load() {
		for k, ok := p.take(); ok; k, ok = p.take() {
			p.body(i+1, k)
			p.done.Add(1)
			if p.waiting.Load() && p.waiting.CompareAndSwap(true, false) {
				p.finished <- struct{}{}
			}
		}
		if !spin(idle, ready) {
			h.asleep.Store(true)
			// A loop that began before asleep was set did not wake this helper.
			if !ready() || !h.asleep.CompareAndSwap(true, false) {
				<-h.wake
			}
		}
	}
}

func (h *helper) rouse() {
	if h.asleep.Load() && h.asleep.CompareAndSwap(true, false) {
		h.wake <- struct{}{}
	}
}

func (p *pool) close() {
	p.closed.Store(true)
	for i := range p.helpers {
		p.helpers[i].rouse()
	}
}
