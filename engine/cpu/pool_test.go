package cpu

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestPool: every index is visited once in every round, by a thread of the pool, whether the others look for work or
// sleep, and whoever is held up.
func TestPool(t *testing.T) {
	for _, threads := range []int{1, 2, 5} {
		p := newPool(threads)
		for round := range 600 {
			if round%100 == 99 {
				asleep(t, p)
			}
			visits := make([]atomic.Int32, round%37)
			p.run(len(visits), func(thread, i int) {
				if thread < 0 || thread >= threads {
					t.Errorf("thread %d of %d", thread, threads)
				}
				if round%50 == 49 && i == round%len(visits) {
					time.Sleep(10 * patience)
				}
				visits[i].Add(1)
			})
			for i := range visits {
				if n := visits[i].Load(); n != 1 {
					t.Fatalf("%d threads, round %d: index %d visited %d times", threads, round, i, n)
				}
			}
		}
		asleep(t, p)
		p.close()
	}
}

// asleep waits until all helpers sleep, as they do when there is nothing to do.
func asleep(t *testing.T, p *pool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(idle) {
		awake := 0
		for i := range p.helpers {
			if !p.helpers[i].asleep.Load() {
				awake++
			}
		}
		if awake == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d helpers do not go to sleep", awake, len(p.helpers))
		}
	}
}

// BenchmarkPool is the time to hand pieces to two threads and to have them back.
func BenchmarkPool(b *testing.B) {
	p := newPool(2)
	defer p.close()
	var met atomic.Int64
	for b.Loop() {
		met.Store(0)
		p.run(2, func(int, int) { // both threads have to come
			for met.Add(1); met.Load() < 2; {
			}
		})
	}
}
