package cuda

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// gpu is a device through the driver.
type gpu struct {
	*sharedGPU
	stream uintptr
}

// sharedGPU is what the queues of a GPU share: the context, and the module of kernels.
type sharedGPU struct {
	driver
	handle  uintptr
	context uintptr
	module  uintptr
	props   properties
	early   int32 // 1 if kernels may begin while the one before them ends

	mu      sync.Mutex
	queues  int
	kernels map[string]*kernel
}

// kernel is a function of the module.
type kernel struct {
	address uintptr
	shared  int // bytes of dynamic shared memory that it may have
}

// openGPU opens a device and loads the kernels.
func openGPU(dev Device) (*gpu, error) {
	if dev.Major < 8 {
		return nil, fmt.Errorf("%s has compute capability %d.%d, and 8.0 (RTX 30, A100) or later is needed: use -b cpu", dev.Name, dev.Major, dev.Minor)
	}
	d, err := openDriver()
	if err != nil {
		return nil, err
	}
	s := &sharedGPU{driver: d, handle: dev.handle, kernels: map[string]*kernel{}}
	ptx := kernels80
	// Graphs have it from CUDA 12.3 on.
	if dev.Major >= 9 && dev.version >= 12030 {
		ptx, s.early = kernels90, 1
	}
	s.props = properties{name: dev.Name, major: dev.Major, minor: dev.Minor}
	var l2 int
	for attribute, value := range map[int]*int{
		multiprocessorCount: &s.props.multiprocessors, sharedMemoryOptIn: &s.props.shared, l2CacheSize: &l2,
	} {
		if *value, err = d.attribute(dev.handle, attribute); err != nil {
			return nil, err
		}
	}
	s.props.l2 = int64(l2)
	if err := d.call("cuDevicePrimaryCtxRetain", uintptr(unsafe.Pointer(&s.context)), s.handle); err != nil {
		return nil, err
	}
	g, err := s.queue()
	if err != nil {
		d.call("cuDevicePrimaryCtxRelease_v2", s.handle)
		return nil, err
	}
	if err := s.load(decompress(ptx)); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

// call calls the driver with the GPU's context, which the driver keeps for each thread of the system and a goroutine may
// leave its thread between any two calls.
//
//go:uintptrescapes
func (s *sharedGPU) call(function string, args ...uintptr) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := s.driver.call("cuCtxSetCurrent", s.context); err != nil {
		return err
	}
	return s.driver.call(function, args...)
}

// queue makes a stream, which waits for none of the others.
func (s *sharedGPU) queue() (*gpu, error) {
	const nonBlocking = 1
	g := &gpu{sharedGPU: s}
	if err := s.call("cuStreamCreate", uintptr(unsafe.Pointer(&g.stream)), nonBlocking); err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.queues++
	s.mu.Unlock()
	return g, nil
}

// load compiles PTX, text with a zero behind it, for this GPU. The driver keeps the result for the next time.
func (s *sharedGPU) load(ptx []byte) error {
	const errorLog, errorLogSize = 5, 6
	log := make([]byte, 8<<10)
	options := [2]int32{errorLog, errorLogSize}
	values := struct {
		log  *byte
		size uintptr
	}{&log[0], uintptr(len(log))}
	err := s.call("cuModuleLoadDataEx", uintptr(unsafe.Pointer(&s.module)), uintptr(unsafe.Pointer(&ptx[0])),
		2, uintptr(unsafe.Pointer(&options)), uintptr(unsafe.Pointer(&values)))
	if text := goString(log); err != nil && text != "" {
		err = fmt.Errorf("%w; the driver's compiler says: %s", err, text)
	}
	return err
}

func (g *gpu) properties() properties { return g.props }

func (g *gpu) memory() (free, total int64, err error) {
	err = g.call("cuMemGetInfo_v2", uintptr(unsafe.Pointer(&free)), uintptr(unsafe.Pointer(&total)))
	return free, total, err
}

func (g *gpu) alloc(bytes int64) (p pointer, err error) {
	size := uintptr(max(bytes, 1))
	if err := g.call("cuMemAlloc_v2", uintptr(unsafe.Pointer(&p)), size); err != nil {
		return 0, err
	}
	err = g.call("cuMemsetD8Async", uintptr(p), 0, size, g.stream)
	if err == nil {
		err = g.wait() // other queues may write to it
	}
	if err != nil {
		g.free(p)
		return 0, err
	}
	return p, nil
}

func (g *gpu) free(p pointer) { g.call("cuMemFree_v2", uintptr(p)) }

func (g *gpu) pin(bytes int) ([]byte, pointer, error) {
	// Every context can use it, at the address that the host uses (unified addressing).
	const portable, deviceMap = 1, 2
	var at unsafe.Pointer
	if err := g.call("cuMemHostAlloc", uintptr(unsafe.Pointer(&at)), uintptr(bytes), portable|deviceMap); err != nil {
		return nil, 0, err
	}
	host := unsafe.Slice((*byte)(at), bytes)
	clear(host)
	return host, pointer(uintptr(at)), nil
}

func (g *gpu) unpin(p pointer) { g.call("cuMemFreeHost", uintptr(p)) }

func (g *gpu) upload(dst pointer, src []byte) error {
	if len(src) == 0 {
		return nil
	}
	if err := g.call("cuMemcpyHtoDAsync_v2", uintptr(dst), uintptr(unsafe.Pointer(&src[0])), uintptr(len(src)), g.stream); err != nil {
		return err
	}
	return g.wait()
}

func (g *gpu) download(dst []byte, src pointer) error {
	if len(dst) == 0 {
		return nil
	}
	if err := g.call("cuMemcpyDtoHAsync_v2", uintptr(unsafe.Pointer(&dst[0])), uintptr(src), uintptr(len(dst)), g.stream); err != nil {
		return err
	}
	err := g.wait()
	runtime.KeepAlive(dst)
	return err
}

// launchConfig is CUlaunchConfig.
type launchConfig struct {
	grid, block [3]uint32
	shared      uint32
	stream      uintptr
	attributes  *launchAttribute
	count       int32
}

// launchAttribute is CUlaunchAttribute.
type launchAttribute struct {
	id, _ int32
	value [16]int32
}

func (g *gpu) launch(name string, grid [3]int, block, shared int, args unsafe.Pointer, size uintptr) error {
	k, err := g.kernel(name, shared)
	if err != nil {
		return err
	}
	parameters := [1]unsafe.Pointer{args}
	const programmaticSerialization = 6
	attribute := launchAttribute{id: programmaticSerialization, value: [16]int32{g.early}}
	config := launchConfig{
		grid: [3]uint32{uint32(grid[0]), uint32(grid[1]), uint32(grid[2])}, block: [3]uint32{uint32(block), 1, 1},
		shared: uint32(shared), stream: g.stream, attributes: &attribute, count: g.early,
	}
	err = g.call("cuLaunchKernelEx", uintptr(unsafe.Pointer(&config)), k.address, uintptr(unsafe.Pointer(&parameters)), 0)
	if err != nil {
		return fmt.Errorf("kernel %s: %w", name, err)
	}
	return nil
}

// kernel finds a kernel and allows it its shared memory. One that needs little leaves the most of it to the L1 cache, which
// then keeps the activations of products.
func (s *sharedGPU) kernel(name string, shared int) (*kernel, error) {
	const (
		maxDynamicShared, carveout = 8, 9
		always, little             = 48 << 10, 8 << 10
		share                      = 12 // per cent: 32 KB on an H100, for several blocks
	)
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kernels[name]
	if k == nil {
		k = &kernel{shared: always}
		text := append([]byte(name), 0)
		if err := s.call("cuModuleGetFunction", uintptr(unsafe.Pointer(&k.address)), s.module, uintptr(unsafe.Pointer(&text[0]))); err != nil {
			return nil, fmt.Errorf("kernel %s: %w", name, err)
		}
		if shared <= little {
			if err := s.call("cuFuncSetAttribute", k.address, carveout, share); err != nil {
				return nil, fmt.Errorf("kernel %s: %w", name, err)
			}
		}
		s.kernels[name] = k
	}
	if shared > k.shared {
		if err := s.call("cuFuncSetAttribute", k.address, maxDynamicShared, uintptr(shared)); err != nil {
			return nil, fmt.Errorf("kernel %s with %d bytes of shared memory: %w", name, shared, err)
		}
		k.shared = shared
	}
	return k, nil
}

func (g *gpu) wait() error { return g.call("cuStreamSynchronize", g.stream) }

func (g *gpu) fork() (device, error) { return g.queue() }

func (g *gpu) close() error {
	err := g.call("cuStreamDestroy_v2", g.stream)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.queues--; g.queues > 0 {
		return err
	}
	if g.module != 0 {
		g.call("cuModuleUnload", g.module)
	}
	if e := g.driver.call("cuDevicePrimaryCtxRelease_v2", g.handle); err == nil {
		err = e
	}
	return err
}
