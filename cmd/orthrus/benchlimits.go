package main

import (
	"context"
	"sync"
	"time"

	"orthrus/engine"
	"orthrus/quant"
)

// limits are what a machine can do at most.
type limits struct {
	Read float64 `json:"read_gb_per_s"` // from memory; on a CUDA GPU, what a copy reads and writes
	Int8 float64 `json:"int8_gops"`     // billions of int8 operations a second, two a multiply-add
}

// floor is the least time that work takes, in seconds: no machine reads or
// computes faster than it can. Numbers that are not int8 take longer.
func (l limits) floor(w engine.Work) float64 {
	return max(float64(w.Bytes)/(l.Read*1e9), 2*float64(w.MultiplyAdds)/(l.Int8*1e9))
}

// bestLimits is the best of several measurements: if the machine was disturbed
// in one of them, no test shall seem closer to its floor for that.
func bestLimits(all []limits) (best limits) {
	for _, l := range all {
		best.Read, best.Int8 = max(best.Read, l.Read), max(best.Int8, l.Int8)
	}
	return best
}

// limits measures the machine, before the tests and after them.
func (b *bench) limits(_ context.Context, r *benchResult) error {
	b.c.status("limits of this machine")
	l := limits{}
	gpu, ok := b.m.net.Backend.(interface {
		Limits() (bytes, operations float64, err error)
	})
	if ok {
		bytes, operations, err := gpu.Limits()
		if err != nil {
			return err
		}
		l = limits{Read: bytes / 1e9, Int8: operations / 1e9}
	} else {
		l = measureLimits(r.Threads)
	}
	r.Limits = append(r.Limits, l)
	return nil
}

const (
	limitBytes  = 512 << 20 // far beyond what caches hold
	limitRounds = 15
	limitTime   = 5 * time.Millisecond // of a round of multiply-adds
)

// measureLimits takes the median of some rounds on all threads of the CPU.
func measureLimits(threads int) limits {
	buf := make([]byte, limitBytes)
	part := func(i int) []byte { return buf[i*len(buf)/threads : (i+1)*len(buf)/threads] }
	parallel(threads, func(i int) { // memory that was never written is not there
		for p := part(i); len(p) > 0; p = p[min(4096, len(p)):] {
			p[0] = 1
		}
	})
	read := medianTime(func() { parallel(threads, func(i int) { quant.Read(part(i)) }) })

	rounds, count := 1, 0
	for start := time.Now(); time.Since(start) < limitTime; rounds *= 2 {
		count = quant.MultiplyAdds(rounds)
	}
	rounds /= 2
	multiply := medianTime(func() { parallel(threads, func(int) { quant.MultiplyAdds(rounds) }) })
	return limits{Read: float64(len(buf)) / read / 1e9, Int8: 2 * float64(threads) * float64(count) / multiply / 1e9}
}

// medianTime is the median time that f takes, in seconds.
func medianTime(f func()) float64 {
	f()
	var s samples
	for range limitRounds {
		start := time.Now()
		f()
		s = append(s, time.Since(start).Seconds())
	}
	return s.median()
}

// parallel runs f(0), ..., f(n-1) at the same time.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
