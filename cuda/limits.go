package cuda

import (
	"slices"
	"time"
)

// copyMemoryArgs is struct CopyMemoryArgs.
type copyMemoryArgs struct {
	src, dst pointer
	count    int64
}

// multiplyArgs is struct MultiplyArgs.
type multiplyArgs struct {
	sums   pointer
	rounds int64
}

// Limits measures what the GPU can do at most: bytes a second that a copy reads and writes, and operations a second on
// int8 by mma.sync, two a multiply-add. Each is the median of some rounds.
func (b *Backend) Limits() (bytes, operations float64, err error) {
	const (
		copied  = 256 << 20 // far beyond what caches hold
		threads = 256
		rounds  = 20_000
		// Multiply-adds of a warp in a round of the kernel multiply.
		multiplies = 8 * 16 * 8 * 32
	)
	blocks := 4 * b.device.properties().multiprocessors
	memory, err := b.device.alloc(2 * copied)
	if err != nil {
		return 0, 0, err
	}
	defer b.device.free(memory)
	seconds, err := b.time(func() error {
		return launch(b.device, "copyMemory", [3]int{2 * blocks, 1, 1}, threads, 0, &copyMemoryArgs{memory, memory + copied, copied / 16})
	})
	if err != nil {
		return 0, 0, err
	}
	bytes = 2 * copied / seconds
	seconds, err = b.time(func() error {
		return launch(b.device, "multiply", [3]int{blocks, 1, 1}, threads, 0, &multiplyArgs{memory, rounds})
	})
	return bytes, 2 * multiplies * rounds * float64(blocks*threads/32) / seconds, err
}

// time is the median time in seconds that a launch takes, between two waits, so that a few microseconds are the host's.
func (b *Backend) time(launch func() error) (float64, error) {
	const tries, atOnce = 11, 4
	var times []float64
	for range tries {
		start := time.Now()
		for range atOnce {
			if err := launch(); err != nil {
				return 0, err
			}
		}
		if err := b.device.wait(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(start).Seconds()/atOnce)
	}
	slices.Sort(times)
	return times[tries/2], nil
}
