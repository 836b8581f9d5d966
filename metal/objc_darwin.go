package metal

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// objcRuntime calls the runtime's C functions, by their addresses (developer.apple.com/documentation/objectivec).
type objcRuntime struct {
	getClass, registerName, msgSend, poolPush, poolPop uintptr
	createDevice                                       uintptr
}

// loadObjC loads the runtime and the framework, once.
var loadObjC = sync.OnceValues(func() (objc, error) {
	r := &objcRuntime{}
	for _, library := range []struct {
		path    string
		symbols map[string]*uintptr
	}{
		{"/usr/lib/libobjc.A.dylib", map[string]*uintptr{
			"objc_getClass": &r.getClass, "sel_registerName": &r.registerName, "objc_msgSend": &r.msgSend,
			"objc_autoreleasePoolPush": &r.poolPush, "objc_autoreleasePoolPop": &r.poolPop,
		}},
		{"/System/Library/Frameworks/Foundation.framework/Foundation", nil},
		// Without it a program without a window has no default device.
		{"/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics", nil},
		{"/System/Library/Frameworks/Metal.framework/Metal", map[string]*uintptr{"MTLCreateSystemDefaultDevice": &r.createDevice}},
	} {
		handle, err := purego.Dlopen(library.path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
		if err != nil {
			return nil, fmt.Errorf("this system has no Metal (%w): use -b cpu", err)
		}
		for name, address := range library.symbols {
			if *address, err = purego.Dlsym(handle, name); err != nil {
				return nil, fmt.Errorf("this system has no Metal (%w): use -b cpu", err)
			}
		}
	}
	for _, m := range methods {
		m.sel = r.named(r.registerName, m.selector)
	}
	return r, nil
})

// named calls a function of one string.
func (r *objcRuntime) named(function uintptr, name string) uintptr {
	text := append([]byte(name), 0)
	result, _, _ := purego.SyscallN(function, uintptr(unsafe.Pointer(&text[0])))
	runtime.KeepAlive(text)
	return result
}

func (r *objcRuntime) systemDevice() id {
	device, _, _ := purego.SyscallN(r.createDevice)
	return id(device)
}

func (r *objcRuntime) class(name string) id { return id(r.named(r.getClass, name)) }

func (r *objcRuntime) send(to id, m *method, args ...uintptr) uintptr {
	var words [8]uintptr
	words[0], words[1] = uintptr(to), m.sel
	result, _, _ := purego.SyscallN(r.msgSend, words[:2+copy(words[2:], args)]...)
	return result
}

// sendSizes passes structs of three words, which the calling conventions pass in two ways: AArch64's by the address of a
// copy (AAPCS64, section 6.8.2, rule B.4), x86-64's on the stack (System V ABI, section 3.2.3, class MEMORY), behind the
// arguments in registers, of which there are six.
func (r *objcRuntime) sendSizes(to id, m *method, a, b [3]uintptr) {
	if runtime.GOARCH == "arm64" {
		sizes := [2][3]uintptr{a, b}
		purego.SyscallN(r.msgSend, uintptr(to), m.sel, uintptr(unsafe.Pointer(&sizes[0])), uintptr(unsafe.Pointer(&sizes[1])))
		return
	}
	purego.SyscallN(r.msgSend, uintptr(to), m.sel, 0, 0, 0, 0, a[0], a[1], a[2], b[0], b[1], b[2])
}

func (r *objcRuntime) pool(f func()) {
	// A pool belongs to a thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pool, _, _ := purego.SyscallN(r.poolPush)
	defer purego.SyscallN(r.poolPop, pool)
	f()
}
