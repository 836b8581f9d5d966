//go:build unix

package cpu

import "golang.org/x/sys/unix"

// reserve returns zeroed memory outside Go's heap: where the system refuses it, that is an error and not the end of
// the program.
func reserve(size int64) ([]byte, error) {
	return unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

// release gives memory back.
func release(memory []byte) error { return unix.Munmap(memory) }
