package metal

import (
	"slices"
	"time"
)

type readMemoryArgs struct{ vectors, threads int32 }

type multiplyMatricesArgs struct{ rounds, _ int32 }

// Limits measures what the GPU can do at most: bytes a second that it reads, and operations a second of products of 8x8
// matrices of halves, which carry the int8 of products, two a multiply-add. Each is the median of some rounds.
func (b *Backend) Limits() (bytes, operations float64, err error) {
	return b.limits(256<<20, 1024, 2000)
}

// limits reads so many bytes, and multiplies for so many rounds in so many threadgroups.
func (b *Backend) limits(read, groups, rounds int) (bytes, operations float64, err error) {
	const (
		threads    = 128
		multiplies = 8 * 8 * 8 * 8 // of a simdgroup in a round
	)
	src, err := b.device.alloc(int64(read))
	if err != nil {
		return 0, 0, err
	}
	defer src.release()
	sums, err := b.device.alloc(4 * threads * int64(groups))
	if err != nil {
		return 0, 0, err
	}
	defer sums.release()
	seconds, err := b.time(func(l *list) {
		a := readMemoryArgs{vectors: int32(read / 16), threads: int32(threads * groups)}
		launch(l, "readMemory", [3]int{groups, 1, 1}, threads, a, at(src, 0), at(sums, 0))
	})
	if err != nil {
		return 0, 0, err
	}
	bytes = float64(read) / seconds
	seconds, err = b.time(func(l *list) {
		launch(l, "multiplyMatrices", [3]int{groups, 1, 1}, threads, multiplyMatricesArgs{rounds: int32(rounds)}, at(src, 0), at(sums, 0))
	})
	return bytes, 2 * multiplies * float64(rounds) * float64(groups*threads/simd) / seconds, err
}

// time is the median time in seconds that a dispatch takes. Several run between two waits, so that little of it is the host's.
func (b *Backend) time(dispatch func(l *list)) (float64, error) {
	const tries, atOnce = 11, 4
	queue, err := b.device.queue()
	if err != nil {
		return 0, err
	}
	defer queue.close()
	l := list{device: b.device}
	for range atOnce {
		dispatch(&l)
	}
	if l.err != nil {
		return 0, l.err
	}
	var times []float64
	for range tries {
		start := time.Now()
		if err := queue.run(l.all); err != nil {
			return 0, err
		}
		if err := queue.wait(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(start).Seconds()/atOnce)
	}
	slices.Sort(times)
	return times[tries/2], nil
}
