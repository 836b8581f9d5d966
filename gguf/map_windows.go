package gguf

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// mapping is a whole file in memory, read-only. Nil for an empty file, which cannot be mapped.
type mapping []byte

func mapFile(path string) (mapping, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the view outlives the handles
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return nil, err
	}
	section, err := windows.CreateFileMapping(windows.Handle(file.Fd()), nil, windows.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: mapping %d bytes: %w", path, info.Size(), err)
	}
	defer windows.CloseHandle(section)
	// Asking for the size makes a file that has just shrunk an error here.
	addr, err := windows.MapViewOfFile(section, windows.FILE_MAP_READ, 0, 0, uintptr(info.Size()))
	if err != nil {
		return nil, fmt.Errorf("%s: mapping %d bytes: %w", path, info.Size(), err)
	}
	// The address is not of Go's heap: converting it through a pointer to it satisfies go vet.
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&addr)), int(info.Size())), nil
}

func (m mapping) unmap() error {
	if m == nil {
		return nil
	}
	return windows.UnmapViewOfFile(uintptr(unsafe.Pointer(&m[0])))
}
