//go:build emulator && linux

package cuda

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"unsafe"

	cudaemulator "orthrus/cuda/emulator"
	"orthrus/internal/emulator"
)

// emulated is a device of the emulator. What is queued on it runs when it has to: when something waits for it.
type emulated struct {
	machine     *emulator.Machine
	props       properties
	total, used int64
	sizes       map[pointer]int64
	seed        uint64
	queue       []emulatedLaunch
	recording   *emulatedGraph
	err         error // of a kernel; every later call tells it, as a GPU does
}

// The kernels, with every access to memory checked, and without.
var (
	loadKernels = sync.OnceValues(func() (*emulator.Machine, error) {
		return cudaemulator.Load("emulator", "kernels/kernels.cu", false)
	})
	loadFastKernels = sync.OnceValues(func() (*emulator.Machine, error) {
		return cudaemulator.Load("emulator", "kernels/kernels.cu", true)
	})
)

// emulatorTotal is the memory of an emulated device.
const emulatorTotal = 4 << 30

func newEmulator(t testing.TB, load func() (*emulator.Machine, error)) *emulated {
	t.Helper()
	m, err := load()
	if err != nil {
		t.Fatal(err)
	}
	p := properties{name: "emulator", major: 8, minor: 6, multiprocessors: 4, shared: 99 << 10, l2: 4 << 20}
	return &emulated{machine: m, props: p, total: emulatorTotal, sizes: map[pointer]int64{}, seed: 1}
}

// thorough is whether tests are to look at everything that they could.
const thorough = false

// testDevice is the device for tests of kernels, fastDevice that for tests of the whole backend. A GPU is both.
func testDevice(t testing.TB) device { return newEmulator(t, loadKernels) }
func fastDevice(t testing.TB) device { return newEmulator(t, loadFastKernels) }

func (e *emulated) properties() properties { return e.props }

func (e *emulated) memory() (free, total int64, err error) { return e.total - e.used, e.total, nil }

func (e *emulated) alloc(bytes int64) (pointer, error) {
	if bytes <= 0 {
		return 0, fmt.Errorf("emulator: allocation of %d bytes", bytes)
	}
	if bytes > e.total-e.used {
		return 0, fmt.Errorf("emulator: %d bytes of memory are needed, %d are free", bytes, e.total-e.used)
	}
	p, err := e.machine.Allocate(bytes)
	if err == nil {
		e.used += bytes
		e.sizes[pointer(p)] = bytes
	}
	return pointer(p), err
}

func (e *emulated) free(p pointer) {
	e.wait()
	if err := e.machine.Release(uintptr(p)); err != nil {
		panic(err)
	}
	e.used -= e.sizes[p]
	delete(e.sizes, p)
}

func (e *emulated) pin(bytes int) (host []byte, p pointer, err error) {
	at, err := e.machine.Allocate(int64(bytes))
	if err != nil {
		return nil, 0, err
	}
	return emulator.Bytes(at, bytes), pointer(at), nil
}

func (e *emulated) unpin(p pointer) {
	e.wait()
	if err := e.machine.Release(uintptr(p)); err != nil {
		panic(err)
	}
}

func (e *emulated) upload(dst pointer, src []byte) error {
	if e.recording != nil {
		return errors.New("emulator: upload inside of record")
	}
	return errors.Join(e.wait(), e.machine.Upload(uintptr(dst), src))
}

func (e *emulated) download(dst []byte, src pointer) error {
	if e.recording != nil {
		return errors.New("emulator: download inside of record")
	}
	return errors.Join(e.wait(), e.machine.Download(dst, uintptr(src)))
}

func (e *emulated) launch(kernel string, grid [3]int, block, shared int, args unsafe.Pointer, size uintptr) error {
	if shared > e.props.shared {
		return fmt.Errorf("emulator: %s: %d bytes of shared memory, of %d", kernel, shared, e.props.shared)
	}
	one := emulatedLaunch{kernel, grid, block, shared, append([]byte(nil), unsafe.Slice((*byte)(args), size)...)}
	if e.recording != nil {
		*e.recording = append(*e.recording, one)
	} else {
		e.queue = append(e.queue, one)
	}
	return nil
}

func (e *emulated) wait() error {
	for _, l := range e.queue {
		if e.err == nil {
			e.seed++
			e.err = e.machine.Launch(l.kernel, l.grid, [3]int{l.block, 1, 1}, l.shared, unsafe.Pointer(&l.args[0]), uintptr(len(l.args)), e.seed)
		}
	}
	e.queue = e.queue[:0]
	return e.err
}

type emulatedLaunch struct {
	kernel        string
	grid          [3]int
	block, shared int
	args          []byte
}

type emulatedGraph []emulatedLaunch

func (*emulatedGraph) release() {}

func (e *emulated) record(build func() error) (graph, error) {
	g := &emulatedGraph{}
	e.recording = g
	err := build()
	e.recording = nil
	return g, err
}

func (e *emulated) run(g graph) error {
	e.queue = append(e.queue, *g.(*emulatedGraph)...)
	return nil
}

func (e *emulated) fork() (device, error) { return e, nil }

func (e *emulated) close() error { return nil }
