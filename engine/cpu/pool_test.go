package cpu

import (
	"sync/atomic"
	"testing"
	"time"
)

// TestPool: every index is visited once in every round, by a thread of the pool,
// whether the helpers spin or sleep.
func TestPool(t *testing.T) {
	for _, threads := range []int{1, 2, 5} {
		p := newPool(threads)
		for round := range 300 {
			if round%100 == 99 {
				time.Sleep(2 * time.Millisecond) // lets the helpers fall asleep
			}
			visits := make([]atomic.Int32, round%37)
			p.run(len(visits), func(thread, i int) {
				if thread < 0 || thread >= threads {
					t.Errorf("thread %d of %d", thread, threads)
				}
				visits[i].Add(1)
			})
			for i := range visits {
				if n := visits[i].Load(); n != 1 {
					t.Fatalf("%d threads, round %d: index %d visited %d times", threads, round, i, n)
				}
			}
		}
		p.close()
	}
}
