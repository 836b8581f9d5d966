//go:build emulator && linux

package emulator

import (
	"fmt"
	"unsafe"

	"orthrus/internal/emulator"
)

// list is struct List of arguments.h.
type list struct {
	argBytes, buffers, flush, _ uint32
	buffer                      [30]uintptr
	args                        [4096]byte
}

// Launch runs a kernel and waits for its end. buffers are the addresses at buffer(1), buffer(2), ... An odd seed flushes
// subnormal floats to zero, as a device may.
func Launch(m *emulator.Machine, kernel string, groups [3]int, threads, shared int, args []byte, buffers []uintptr, seed uint64) error {
	var l list
	if len(buffers) > len(l.buffer) || len(args) > len(l.args) {
		return fmt.Errorf("emulator: %s: %d buffers of at most %d, %d bytes of arguments of at most %d",
			kernel, len(buffers), len(l.buffer), len(args), len(l.args))
	}
	l.flush = uint32(seed & 1)
	l.argBytes, l.buffers = uint32(copy(l.args[:], args)), uint32(copy(l.buffer[:], buffers))
	return m.Launch(kernel, groups, [3]int{threads, 1, 1}, shared, unsafe.Pointer(&l), unsafe.Sizeof(l), seed)
}
