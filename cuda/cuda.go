package cuda

import (
	"errors"
	"fmt"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// Rows and Cols implement [engine.Weight].
func (w *weight) Rows() int { return w.rows }
func (w *weight) Cols() int { return w.cols }

// Backend computes on one GPU.
type Backend struct {
	device   device
	name     string
	describe string

	memory   []pointer // of weights
	reserved span      // what is left of it for further weights
	uploads  *uploads  // running, or nil
}

// New opens a GPU by its number in the driver's order.
func New(index int) (*Backend, error) {
	list, err := Devices()
	if err != nil {
		return nil, err
	}
	if index < 0 || index >= len(list) {
		return nil, fmt.Errorf("there is no cuda:%d: orthrus devices lists %d", index, len(list))
	}
	dev := list[index]
	g, err := openGPU(dev)
	if err != nil {
		return nil, err
	}
	b := newBackend(g, fmt.Sprint("cuda:", index))
	b.describe = dev.Describe()
	return b, nil
}

func newBackend(d device, name string) *Backend {
	return &Backend{device: d, name: name, describe: d.properties().name}
}

// Name implements [engine.Backend].
func (b *Backend) Name() string { return b.name }

// Describe names the GPU and its driver.
func (b *Backend) Describe() string { return b.describe }

// Chunk implements [engine.Backend].
func (b *Backend) Chunk() int { return 1024 }

// isVector says whether a tensor is one for Norm and Heads, which take float32.
func isVector(t *gguf.Tensor) bool { return t.Type == gguf.F32 && t.Rows() == 1 }

// weightBytes is what a tensor takes on the device.
func weightBytes(t *gguf.Tensor) int64 {
	if isVector(t) {
		return align(int64(len(t.Data)))
	}
	return align(packedBytes(t.Type, t.Rows(), t.Dims[0]))
}

func align(bytes int64) int64 { return (bytes + 255) &^ 255 }

// Weight implements [engine.Backend]: the tensor is packed in the order in which kernels read it, and may still be on its
// way when this returns.
func (b *Backend) Weight(t *gguf.Tensor) (engine.Weight, error) {
	if !quant.Supported(t.Type) {
		return nil, fmt.Errorf("type %s is not supported", t.Type)
	}
	at, err := b.place(weightBytes(t))
	if err != nil {
		return nil, err
	}
	w := &weight{t: t.Type, rows: t.Rows(), cols: t.Dims[0], at: at}
	if isVector(t) {
		return w, b.device.upload(at, t.Data)
	}
	if b.uploads == nil {
		if b.uploads, err = newUploads(b.device, uploadBytes); err != nil {
			return nil, err
		}
	}
	return w, b.uploads.add(w, t.Data)
}

// place finds device memory for a weight.
func (b *Backend) place(bytes int64) (pointer, error) {
	if bytes > b.reserved.bytes {
		p, err := b.device.alloc(bytes)
		if err == nil {
			b.memory = append(b.memory, p)
		}
		return p, err
	}
	p := b.reserved.at
	b.reserved.at += pointer(bytes)
	b.reserved.bytes -= bytes
	return p, nil
}

// uploaded waits until all weights are on the device.
func (b *Backend) uploaded() error {
	if b.uploads == nil {
		return nil
	}
	err := b.uploads.close()
	b.uploads = nil
	return err
}

// Open implements [engine.Backend].
func (b *Backend) Open(g engine.Geometry) (engine.Context, error) {
	if err := b.uploaded(); err != nil {
		return nil, err
	}
	if err := b.fit(g, 0, 0); err != nil {
		return nil, err
	}
	return b.open(g)
}

// Close implements [engine.Backend].
func (b *Backend) Close() error {
	err := b.uploaded()
	for _, p := range b.memory {
		b.device.free(p)
	}
	return errors.Join(err, b.device.close())
}
