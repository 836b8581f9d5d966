package cuda

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// driver is NVIDIA's driver library: the addresses of its functions by name. Their documentation is
// https://docs.nvidia.com/cuda/cuda-driver-api.
type driver map[string]uintptr

// functions are what is used of the driver. All are in that of CUDA 11.8, the oldest that takes our kernels.
var functions = []string{
	"cuInit", "cuDriverGetVersion", "cuGetErrorName", "cuGetErrorString",
	"cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName", "cuDeviceTotalMem_v2", "cuDeviceGetAttribute",
	"cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2", "cuCtxSetCurrent",
	"cuMemGetInfo_v2", "cuMemAlloc_v2", "cuMemFree_v2", "cuMemHostAlloc", "cuMemFreeHost",
	"cuMemsetD8Async", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2",
	"cuModuleLoadDataEx", "cuModuleUnload", "cuModuleGetFunction", "cuFuncSetAttribute", "cuLaunchKernelEx",
	"cuStreamCreate", "cuStreamDestroy_v2", "cuStreamSynchronize", "cuStreamBeginCapture_v2", "cuStreamEndCapture",
	"cuGraphInstantiateWithFlags", "cuGraphDestroy", "cuGraphExecDestroy", "cuGraphLaunch",
}

// openDriver opens and initializes the driver, once.
var openDriver = sync.OnceValues(func() (driver, error) {
	library, err := openLibrary()
	if err != nil {
		return nil, fmt.Errorf("no CUDA driver on this machine (%w): install NVIDIA's driver, or use -b cpu", err)
	}
	d := driver{}
	for _, name := range functions {
		if d[name], err = symbol(library, name); err != nil {
			return nil, fmt.Errorf("the CUDA driver has no %s: install a driver of CUDA 11.8 or later (522 on Windows, 520 on Linux)", name)
		}
	}
	if err := d.call("cuInit", 0); err != nil {
		return nil, err
	}
	return d, nil
})

// call calls a function of the driver. Pointers to Go memory may be passed, converted in the call itself.
//
//go:uintptrescapes
func (d driver) call(function string, args ...uintptr) error {
	if code, _, _ := purego.SyscallN(d[function], args...); int32(code) != 0 {
		return d.failure(function, int32(code))
	}
	return nil
}

// driverError is what a function of the driver returned.
type driverError struct {
	function string
	code     int32
	name     string // CUDA_ERROR_...
	text     string // what it means
}

// Codes of the driver (CUresult).
const (
	outOfMemory     = 2
	noDevice        = 100
	noKernelImage   = 209
	invalidPTX      = 218
	unsupportedPTX  = 222
	illegalAddress  = 700
	launchTimeout   = 702
	launchFailed    = 719
	systemNotReady  = 802
	versionMismatch = 803
)

// advice is what to try.
var advice = map[int32]string{
	outOfMemory:     "close other programs on the GPU, lower -c, or use --cache-type q8_0 or a smaller model",
	noDevice:        "look whether nvidia-smi lists a GPU and CUDA_VISIBLE_DEVICES does not hide it, or use -b cpu",
	noKernelImage:   "a GPU of compute capability 8.0 (RTX 30, A100) or later is needed: use -b cpu",
	invalidPTX:      "install a driver of CUDA 11.8 or later",
	unsupportedPTX:  "install a driver of CUDA 11.8 or later",
	launchTimeout:   "the system ended a kernel that ran for seconds: use a GPU without a display, or lift the limit",
	systemNotReady:  "start NVIDIA's fabric manager, or wait until it is ready",
	versionMismatch: "the driver was updated while it ran: restart the machine",
}

func (e *driverError) Error() string {
	hint := advice[e.code]
	if hint == "" {
		hint = "start again; if it stays, look at the driver's messages (dmesg, nvidia-smi), or use -b cpu"
	}
	return fmt.Sprintf("%s returned %s (%s): %s", e.function, e.name, e.text, hint)
}

func (d driver) failure(function string, code int32) error {
	return &driverError{function, code, d.text("cuGetErrorName", code), d.text("cuGetErrorString", code)}
}

// text is what the driver says of a code.
func (d driver) text(function string, code int32) string {
	var text *byte
	purego.SyscallN(d[function], uintptr(code), uintptr(unsafe.Pointer(&text)))
	if text == nil {
		return fmt.Sprint("error ", code)
	}
	return goString(unsafe.Slice(text, 1<<10))
}

// goString is the text before the first zero.
func goString(text []byte) string {
	n := 0
	for n < len(text) && text[n] != 0 {
		n++
	}
	return string(text[:n])
}
