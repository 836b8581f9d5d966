package cpu

import (
	"unsafe"

	"golang.org/x/sys/windows"
)

var getLogicalProcessorInformationEx = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetLogicalProcessorInformationEx")

func performanceCores() int {
	const relationProcessorCore = 0
	if getLogicalProcessorInformationEx.Find() != nil {
		return 0
	}
	var size uint32 // the first call tells it and fails
	getLogicalProcessorInformationEx.Call(relationProcessorCore, 0, uintptr(unsafe.Pointer(&size)))
	if size == 0 || size > 1<<24 {
		return 0
	}
	info := make([]byte, size)
	ok, _, _ := getLogicalProcessorInformationEx.Call(relationProcessorCore, uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&size)))
	if ok == 0 {
		return 0
	}
	return windowsCores(info[:min(int(size), len(info))])
}
