//go:build emulator && linux

package metal

import (
	"slices"
	"strings"
	"testing"
	"unsafe"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// framework is Objective-C with a Metal framework over the emulator, as far as gpu uses it.
type framework struct {
	*emulated
	objects []any // by id, from 1 on
}

// What the framework's objects are; buffers are *emulatedBuffer, pipelines emulatedPipeline, queues *emulatedQueue.
type (
	objcDevice struct{}
	objcClass  string
	objcString []byte
	function   string
	commands   struct {
		queue     *emulatedQueue
		list      []dispatch
		committed bool
		failed    error
	}
	encoder struct {
		*commands
		next    dispatch // as far as it is told
		buffers [31]binding
		barrier bool // since the last dispatch
		ended   bool
	}
)

func (f *framework) object(o any) id {
	f.objects = append(f.objects, o)
	return id(len(f.objects))
}

func (f *framework) systemDevice() id { return f.object(objcDevice{}) }

func (f *framework) class(name string) id { return f.object(objcClass(name)) }

func (f *framework) pool(do func()) { do() }

func (f *framework) send(to id, m *method, args ...uintptr) uintptr {
	switch o := f.objects[to-1].(type) {
	case objcDevice:
		return f.device(m, args)
	case objcClass:
		if m == stringWithUTF8String {
			return uintptr(f.object(objcString(append([]byte(cString(args[0])), 0))))
		}
		return uintptr(f.object(nil)) // new
	case objcString:
		if m == utf8String {
			return uintptr(unsafe.Pointer(&o[0]))
		}
	case function, nil: // library, options, residency set
		if m == newFunction {
			name := strings.TrimSuffix(string(f.objects[args[0]-1].(objcString)), "\x00")
			if _, ok := f.machine.Kernels[name]; !ok {
				return 0
			}
			return uintptr(f.object(function(name)))
		}
	case *emulatedBuffer:
		if m == bufferContents {
			return o.at
		}
		if m == release {
			o.release()
		}
	case emulatedPipeline:
		switch m {
		case maxTotalThreadsPerThreadgroup:
			return uintptr(o.threads())
		case threadExecutionWidth:
			return 32
		}
	case *emulatedQueue:
		if m == commandBuffer {
			return uintptr(f.object(&commands{queue: o}))
		}
	case *commands:
		return f.commands(to, o, m)
	case *encoder:
		o.told(f, m, args)
	case error:
		if m == localizedDescription {
			return uintptr(f.object(objcString(o.Error() + "\x00")))
		}
	}
	return 0
}

func (f *framework) device(m *method, args []uintptr) uintptr {
	switch m {
	case deviceName:
		return uintptr(f.object(objcString(f.props.name + "\x00")))
	case supportsFamily:
		return uintptr(b2i(args[0] == familyMetal3 || args[0] <= uintptr(familyApple1-1+f.props.family)))
	case recommendedMaxWorkingSetSize:
		return uintptr(f.props.memory)
	case maxBufferLength:
		return uintptr(f.props.maxBuffer)
	case maxThreadgroupMemoryLength:
		return uintptr(f.props.shared)
	case respondsToSelector:
		return 1
	case newLibraryWithSource, newResidencySet:
		return uintptr(f.object(nil))
	case newCommandQueue:
		return uintptr(f.object(&emulatedQueue{emulated: f.emulated}))
	case newBufferWithLength, newBufferWithBytesNoCopy:
		b, err := f.alloc(int64(args[0]))
		if m == newBufferWithBytesNoCopy {
			b, err = f.wrap(args[0], int64(args[1]))
		}
		if err != nil {
			return 0
		}
		return uintptr(f.object(b))
	case newComputePipelineState:
		return uintptr(f.object(emulatedPipeline(f.objects[args[0]-1].(function))))
	}
	return 0
}

func (f *framework) commands(self id, c *commands, m *method) uintptr {
	switch m {
	case computeCommandEncoder:
		return uintptr(f.object(&encoder{commands: c}))
	case retain:
		return uintptr(self)
	case commit:
		c.committed = true
		c.failed = c.queue.run(c.list)
	case waitUntilCompleted:
		if !c.committed {
			panic("waits for commands that were not committed")
		}
		if err := c.queue.wait(); c.failed == nil {
			c.failed = err
		}
	case commandBufferStatus:
		if c.failed != nil {
			return statusError
		}
		return statusError - 1
	case commandBufferError:
		return uintptr(f.object(c.failed))
	}
	return 0
}

// told changes what the next dispatch will be.
func (e *encoder) told(f *framework, m *method, args []uintptr) {
	if e.ended || e.committed {
		panic("the encoder has ended")
	}
	switch m {
	case setComputePipelineState:
		e.next.pipeline = f.objects[args[0]-1].(emulatedPipeline)
	case setBytes:
		e.next.args = slices.Clone(unsafe.Slice((*byte)(memory(args[0])), args[1]))
	case setBuffer:
		e.buffers[args[2]] = binding{f.objects[args[0]-1].(*emulatedBuffer), int64(args[1])}
	case setThreadgroupMemoryLength:
		e.next.shared = int(args[0])
	case memoryBarrier:
		e.barrier = true
	case endEncoding:
		e.ended = true
	}
}

func (f *framework) sendSizes(to id, _ *method, groups, threads [3]uintptr) {
	e := f.objects[to-1].(*encoder)
	d := e.next
	n := len(e.buffers)
	for n > 1 && e.buffers[n-1].buffer == nil {
		n--
	}
	d.buffers = slices.Clone(e.buffers[1:n])
	for i := range groups {
		d.groups[i] = int(groups[i])
	}
	d.threads, d.beside = int(threads[0]), !e.barrier && len(e.list) > 0
	e.barrier = false
	e.list = append(e.list, d)
}

// TestMessages decodes through the messages to the framework.
func TestMessages(t *testing.T) {
	for i := range methods {
		methods[i].sel = uintptr(i + 1)
	}
	e := newDevice(t, loadFast, 1)
	e.late = true
	g, err := openGPU(&framework{emulated: e}, kernelSource())
	if err != nil {
		t.Fatal(err)
	}
	o := engine.DecoderOptions{Context: 128, Cache: gguf.F16}
	m := golden.Model(t, "q4_k_m")
	prompt := golden.Cases(t)[0].IDs[:20]
	direct, _ := golden.Generate(t, golden.Decoder(t, place(t, m, modelDevice(t, 0)), o), prompt, engine.GenerateOptions{MaxTokens: 8, Mode: engine.ARMode})
	through, stats := golden.Generate(t, golden.Decoder(t, place(t, m, g), o), prompt, engine.GenerateOptions{MaxTokens: 8, Mode: engine.DraftMode, Block: 6})
	if !slices.Equal(direct, through) || len(stats.Accepted) == 0 {
		t.Errorf("through the framework %v, directly %v", through, direct)
	}
}
