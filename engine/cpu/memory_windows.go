package cpu

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

// reserve returns zeroed memory outside Go's heap: where the system refuses it, that is an error and not the end of
// the program.
func reserve(size int64) ([]byte, error) {
	at, err := windows.VirtualAlloc(0, uintptr(size), windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return nil, err
	}
	p := *(*unsafe.Pointer)(unsafe.Pointer(&at)) // an address that is none of Go's
	return unsafe.Slice((*byte)(p), size), nil
}

// release gives memory back.
func release(memory []byte) error {
	return windows.VirtualFree(uintptr(unsafe.Pointer(&memory[0])), 0, windows.MEM_RELEASE)
}
