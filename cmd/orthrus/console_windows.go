package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// enableEscapes makes a Windows console obey escape sequences.
func enableEscapes(f *os.File) bool {
	h := windows.Handle(f.Fd())
	var mode uint32
	if windows.GetConsoleMode(h, &mode) != nil {
		return true // a Cygwin terminal, which obeys them anyway
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
