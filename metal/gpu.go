package metal

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"unsafe"
)

// gpu is a device through the Metal framework: which messages are sent, in which order. Only objc knows how.
type gpu struct {
	objc
	handle    id
	library   id
	residency id // set of all buffers, that they stay in memory; 0 before macOS 15
	props     properties

	mu        sync.Mutex
	pipelines map[string]*gpuPipeline
}

// openGPU opens the system's device and compiles the kernels.
func openGPU(o objc, kernels string) (*gpu, error) {
	g := &gpu{objc: o, pipelines: map[string]*gpuPipeline{}}
	var err error
	o.pool(func() {
		if g.handle = o.systemDevice(); g.handle == 0 {
			err = errors.New("there is no Metal device on this machine: use -b cpu")
			return
		}
		if g.props = describe(o, g.handle); g.props.family < leastFamily {
			err = fmt.Errorf("%s is of Apple's GPU family %d, and %d (M1) or later is needed: use -b cpu", g.props.name, g.props.family, leastFamily)
			return
		}
		if !yes(o.send(g.handle, supportsFamily, familyMetal3)) {
			err = errors.New("this system has no Metal 3: update macOS to 13 or later, or use -b cpu")
			return
		}
		if err = g.compile(kernels); err == nil {
			err = g.keepResident()
		}
	})
	if err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

// describe asks a device for its properties.
func describe(o objc, device id) properties {
	p := properties{
		name:      text(o, id(o.send(device, deviceName))),
		memory:    int64(o.send(device, recommendedMaxWorkingSetSize)),
		maxBuffer: int64(o.send(device, maxBufferLength)),
		shared:    int(o.send(device, maxThreadgroupMemoryLength)),
	}
	// Families that are newer than this program are found too.
	for family := 1; family <= 32; family++ {
		if yes(o.send(device, supportsFamily, uintptr(familyApple1-1+family))) {
			p.family = family
		}
	}
	return p
}

// compile makes the library of kernels. The system keeps what it compiled for the next time.
func (g *gpu) compile(kernels string) error {
	options := id(g.send(g.class("MTLCompileOptions"), newObject))
	defer g.send(options, release)
	g.send(options, setLanguageVersion, languageVersion30)
	// Of a macOS that has replaced it, this sets mathMode to safe and the functions to precise.
	g.send(options, setFastMathEnabled, 0)
	var err error
	g.library, err = g.make("compiling the kernels", func(failure uintptr) uintptr {
		return g.send(g.handle, newLibraryWithSource, uintptr(g.string(kernels)), uintptr(options), failure)
	})
	return err
}

// keepResident makes the set of buffers that stay in memory while there is no work.
func (g *gpu) keepResident() error {
	if !yes(g.send(g.handle, respondsToSelector, newResidencySet.sel)) {
		return nil
	}
	descriptor := id(g.send(g.class("MTLResidencySetDescriptor"), newObject))
	defer g.send(descriptor, release)
	var err error
	g.residency, err = g.make("making a residency set", func(failure uintptr) uintptr {
		return g.send(g.handle, newResidencySet, uintptr(descriptor), failure)
	})
	return err
}

// make gets an object from a call that takes a pointer to an NSError.
func (g *gpu) make(doing string, call func(failure uintptr) uintptr) (id, error) {
	failure := new(id)
	var pin runtime.Pinner
	pin.Pin(failure)
	defer pin.Unpin()
	object := id(call(uintptr(unsafe.Pointer(failure))))
	if object == 0 {
		return 0, fmt.Errorf("metal: %s: %s", doing, g.reason(*failure))
	}
	return object, nil
}

// reason is the text of an NSError, in one line.
func (g *gpu) reason(failure id) string {
	if failure == 0 {
		return "no reason given"
	}
	words := strings.Fields(text(g, id(g.send(failure, localizedDescription))))
	return fmt.Sprintf("%s (code %d)", strings.Join(words, " "), int64(g.send(failure, errorCode)))
}

// string makes an NSString that lives as long as the pool.
func (g *gpu) string(s string) id {
	bytes := append([]byte(s), 0)
	var pin runtime.Pinner
	pin.Pin(&bytes[0])
	defer pin.Unpin()
	return id(g.send(g.class("NSString"), stringWithUTF8String, uintptr(unsafe.Pointer(&bytes[0]))))
}

// text is what an NSString says.
func text(o objc, s id) string {
	if s == 0 {
		return ""
	}
	at := memory(o.send(s, utf8String))
	n := 0
	for *(*byte)(unsafe.Add(at, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(at), n))
}

// memory is a pointer to what is not Go's memory.
func memory(at uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&at)) }

// yes tells what a BOOL says.
func yes(v uintptr) bool { return v&0xFF != 0 }

func (g *gpu) properties() properties { return g.props }

// gpuBuffer is an MTLBuffer.
type gpuBuffer struct {
	*gpu
	handle id
	host   []byte
}

func (g *gpu) alloc(bytes int64) (buffer, error) {
	if bytes <= 0 || bytes > g.props.maxBuffer {
		return nil, fmt.Errorf("metal: a buffer of %d bytes, where at most %d are possible: lower -c, or use a smaller model", bytes, g.props.maxBuffer)
	}
	b := &gpuBuffer{gpu: g}
	g.pool(func() {
		b.handle = id(g.send(g.handle, newBufferWithLength, uintptr(bytes), storageShared))
		if b.handle != 0 {
			b.host = unsafe.Slice((*byte)(memory(g.send(b.handle, bufferContents))), bytes)
		}
	})
	return b.resident(bytes)
}

func (g *gpu) wrap(address uintptr, bytes int64) (buffer, error) {
	page := os.Getpagesize()
	if bytes <= 0 || bytes > g.props.maxBuffer || address%uintptr(page) != 0 || bytes%int64(page) != 0 {
		return nil, fmt.Errorf("metal: %d bytes at %#x cannot be used in place: whole pages of %d are needed, and %d bytes at most", bytes, address, page, g.props.maxBuffer)
	}
	b := &gpuBuffer{gpu: g}
	g.pool(func() {
		b.handle = id(g.send(g.handle, newBufferWithBytesNoCopy, address, uintptr(bytes), storageShared, 0))
	})
	return b.resident(bytes)
}

// resident ends the making of a buffer.
func (b *gpuBuffer) resident(bytes int64) (buffer, error) {
	if b.handle == 0 {
		return nil, fmt.Errorf("metal: no memory for a buffer of %d bytes: close other programs, lower -c, or use --cache-type q8_0 or a smaller model", bytes)
	}
	b.changeResidency(addAllocation)
	return b, nil
}

func (b *gpuBuffer) changeResidency(how *method) {
	if b.residency == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pool(func() {
		b.send(b.residency, how, uintptr(b.handle))
		b.send(b.residency, commitResidency)
		b.send(b.residency, requestResidency)
	})
}

func (b *gpuBuffer) bytes() []byte { return b.host }

func (b *gpuBuffer) release() {
	b.changeResidency(removeAllocation)
	b.pool(func() { b.send(b.handle, release) })
}

// gpuPipeline is an MTLComputePipelineState.
type gpuPipeline struct {
	name   string
	handle id
	limit  int
}

func (p *gpuPipeline) threads() int { return p.limit }

func (g *gpu) pipeline(kernel string) (pipeline, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p, ok := g.pipelines[kernel]; ok {
		return p, nil
	}
	p := &gpuPipeline{name: kernel}
	var err error
	g.pool(func() {
		function := id(g.send(g.library, newFunction, uintptr(g.string(kernel))))
		if function == 0 {
			err = fmt.Errorf("metal: there is no kernel %s", kernel)
			return
		}
		defer g.send(function, release)
		p.handle, err = g.make("making kernel "+kernel+" ready", func(failure uintptr) uintptr {
			return g.send(g.handle, newComputePipelineState, uintptr(function), failure)
		})
		if err != nil {
			return
		}
		p.limit = int(g.send(p.handle, maxTotalThreadsPerThreadgroup))
		if width := g.send(p.handle, threadExecutionWidth); width != 32 {
			g.send(p.handle, release)
			err = fmt.Errorf("metal: kernel %s: a SIMD-group has %d threads, and 32 are needed: use -b cpu", kernel, width)
		}
	})
	if err != nil {
		return nil, err
	}
	g.pipelines[kernel] = p
	return p, nil
}

func (g *gpu) close() error {
	g.pool(func() {
		for _, p := range g.pipelines {
			g.send(p.handle, release)
		}
		for _, object := range []id{g.residency, g.library, g.handle} {
			if object != 0 {
				g.send(object, release)
			}
		}
	})
	return nil
}

// gpuQueue is an MTLCommandQueue.
type gpuQueue struct {
	*gpu
	handle  id
	running []id // command buffers that have not been waited for
}

func (g *gpu) queue() (queue, error) {
	q := &gpuQueue{gpu: g}
	g.pool(func() {
		if q.handle = id(g.send(g.handle, newCommandQueue)); q.handle != 0 && g.residency != 0 {
			g.send(q.handle, addResidencySet, uintptr(g.residency))
		}
	})
	if q.handle == 0 {
		return nil, errors.New("metal: no further command queue: close other programs on the GPU, or use -b cpu")
	}
	return q, nil
}

func (q *gpuQueue) run(list []dispatch) error {
	for _, d := range list {
		p := d.pipeline.(*gpuPipeline)
		if d.threads > p.limit || d.shared > q.props.shared || len(d.args) > maxBytes {
			return fmt.Errorf("metal: kernel %s: %d threads of at most %d, %d bytes of threadgroup memory of %d, %d bytes of arguments of %d",
				p.name, d.threads, p.limit, d.shared, q.props.shared, len(d.args), maxBytes)
		}
	}
	var err error
	q.pool(func() {
		var encoder id
		commands := id(q.send(q.handle, commandBuffer))
		if commands != 0 {
			encoder = id(q.send(commands, computeCommandEncoder, dispatchTogether))
		}
		if encoder == 0 {
			err = errors.New("metal: no memory for a command buffer: close other programs on the GPU, or use -b cpu")
			return
		}
		var bound state
		for i := range list {
			q.encode(encoder, &list[i], &bound, i == 0)
		}
		q.send(encoder, endEncoding)
		q.running = append(q.running, id(q.send(commands, retain)))
		q.send(commands, commit)
	})
	runtime.KeepAlive(list)
	return err
}

// state is what an encoder was last told, which need not be told again.
type state struct {
	pipeline id
	buffers  [31]binding // by index; 0 is for the arguments
	shared   int
}

// encode adds one dispatch to a command buffer.
func (q *gpuQueue) encode(encoder id, d *dispatch, bound *state, first bool) {
	if !d.beside && !first {
		q.send(encoder, memoryBarrier, barrierOfBuffers)
	}
	if p := d.pipeline.(*gpuPipeline); p.handle != bound.pipeline {
		q.send(encoder, setComputePipelineState, uintptr(p.handle))
		bound.pipeline = p.handle
	}
	if len(d.args) > 0 {
		q.send(encoder, setBytes, uintptr(unsafe.Pointer(&d.args[0])), uintptr(len(d.args)), 0)
	}
	for i, b := range d.buffers {
		if at := &bound.buffers[i+1]; *at != b {
			q.send(encoder, setBuffer, uintptr(b.buffer.(*gpuBuffer).handle), uintptr(b.offset), uintptr(i+1))
			*at = b
		}
	}
	if d.shared > 0 && d.shared != bound.shared {
		// A multiple of 16 bytes is asked for.
		q.send(encoder, setThreadgroupMemoryLength, uintptr(d.shared+15)&^15, 0)
		bound.shared = d.shared
	}
	q.sendSizes(encoder, dispatchThreadgroups,
		[3]uintptr{uintptr(d.groups[0]), uintptr(d.groups[1]), uintptr(d.groups[2])}, [3]uintptr{uintptr(d.threads), 1, 1})
}

func (q *gpuQueue) wait() (err error) {
	q.pool(func() {
		for _, commands := range q.running {
			q.send(commands, waitUntilCompleted)
			if q.send(commands, commandBufferStatus) == statusError && err == nil {
				err = fmt.Errorf("metal: the GPU gave up: %s: start again; if it stays, use -b cpu", q.reason(id(q.send(commands, commandBufferError))))
			}
			q.send(commands, release)
		}
	})
	q.running = q.running[:0]
	return err
}

func (q *gpuQueue) close() { q.pool(func() { q.send(q.handle, release) }) }
