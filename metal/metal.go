package metal

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"unsafe"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// Backend implements [engine.Backend] on a GPU that shares the memory of the host. Weights are used where they are.
type Backend struct {
	device  device
	waiting []*weight // whose pages are not wrapped yet
	wrapped []buffer
	checked map[gguf.Type]bool
	exact   bool // products of 8x8 matrices are (selftest.go)
}

// New opens the machine's GPU.
func New() (*Backend, error) {
	d, err := openDevice()
	if err != nil {
		return nil, err
	}
	return newBackend(d), nil
}

func newBackend(d device) *Backend {
	return &Backend{device: d, checked: map[gguf.Type]bool{}, exact: true}
}

// Name implements [engine.Backend].
func (b *Backend) Name() string { return "metal" }

// Describe names the GPU.
func (b *Backend) Describe() string {
	p := b.device.properties()
	return fmt.Sprintf("%s, %.1f GB for the GPU", p.name, float64(p.memory)/1e9)
}

// Chunk implements [engine.Backend]. From 32 rows on a product takes the same time for a row; a pass of more rows than these
// would only keep the GPU longer from the programs that share it.
func (b *Backend) Chunk() int { return 128 }

// Weight implements [engine.Backend]. The tensor stays where it is.
func (b *Backend) Weight(t *gguf.Tensor) (engine.Weight, error) {
	if !quant.Supported(t.Type) {
		return nil, fmt.Errorf("type %s is not supported", t.Type)
	}
	if address(t.Data)%4 != 0 {
		return nil, fmt.Errorf("the data does not begin at a multiple of 4 bytes: convert the model again")
	}
	if t.Rows() > 1 && !b.checked[t.Type] {
		if err := b.verify(t.Type); err != nil {
			return nil, err
		}
		b.checked[t.Type] = true
	}
	w := &weight{t: t.Type, rows: t.Rows(), cols: t.Dims[0], data: t.Data}
	b.waiting = append(b.waiting, w)
	return w, nil
}

// Open implements [engine.Backend].
func (b *Backend) Open(g engine.Geometry) (engine.Context, error) {
	if err := b.wrap(); err != nil {
		return nil, err
	}
	return b.open(g)
}

func address(data []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(data))) }

// pagesOf are the pages that some memory lies on.
func pagesOf(data []byte) (from, to uintptr) {
	page, at := uintptr(os.Getpagesize()), address(data)
	return at / page * page, (at + uintptr(len(data)) + page - 1) / page * page
}

// wrap makes the pages of weights buffers: weights that share a page in one, as large as a buffer may be. Metal asks for memory
// that is one region to the system: two mapped files share no page, even side by side. What it refuses all the same, as it may
// Go's heap, is copied.
func (b *Backend) wrap() error {
	slices.SortFunc(b.waiting, func(v, w *weight) int { return cmp.Compare(address(v.data), address(w.data)) })
	for len(b.waiting) > 0 {
		from, to := pagesOf(b.waiting[0].data)
		n := 1
		for ; n < len(b.waiting); n++ {
			next, end := pagesOf(b.waiting[n].data)
			if next >= to || int64(max(to, end)-from) > b.device.properties().maxBuffer {
				break
			}
			to = max(to, end)
		}
		buffer, err := b.device.wrap(from, int64(to-from))
		copied := err != nil
		if copied {
			if buffer, err = b.device.alloc(int64(to - from)); err != nil {
				return err
			}
		}
		b.wrapped = append(b.wrapped, buffer)
		for _, w := range b.waiting[:n] {
			offset := int64(address(w.data) - from)
			if copied {
				copy(buffer.bytes()[offset:], w.data)
			}
			w.at = at(buffer, offset)
		}
		b.waiting = b.waiting[n:]
	}
	return nil
}

// Close implements [engine.Backend].
func (b *Backend) Close() error {
	for _, w := range b.wrapped {
		w.release()
	}
	b.wrapped = nil
	return b.device.close()
}
