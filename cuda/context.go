package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"orthrus/engine"
	"orthrus/quant"
)

// context implements [engine.Context] with a queue of its own. Nothing but Wait, Read and the cache's Save and Restore
// waits for the device, and nothing allocates once passes are recorded.
type context struct {
	engine.Geometry
	device  device
	state   *state
	pinned  []byte // the Outcome
	release []func()
	acts    map[quant.Form]acts
	graphs  []*pass // that are captured, the last used one last
	failed  error   // of something queued, for Wait to tell
}

// buffer implements [engine.Buffer].
type buffer struct{ matrix }

func (b *buffer) Rows() int { return b.rows }
func (b *buffer) Cols() int { return b.cols }

func (b *buffer) Slice(from, to int) engine.Buffer { return &buffer{b.slice(from, to)} }

func (b *Backend) open(g engine.Geometry) (_ *context, err error) {
	if err := checkGeometry(g); err != nil {
		return nil, err
	}
	queue, err := b.device.fork()
	if err != nil {
		return nil, err
	}
	c := &context{Geometry: g, device: queue, acts: map[quant.Form]acts{}}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	device, pinned := stateBytes(g)
	at, err := c.alloc(device)
	if err != nil {
		return nil, err
	}
	host, shared, err := queue.pin(int(pinned))
	if err != nil {
		return nil, err
	}
	c.release = append(c.release, func() { queue.unpin(shared) })
	c.pinned = host
	if c.state, err = newState(queue, g, at, shared); err != nil {
		return nil, err
	}
	for _, f := range quantizedForms {
		at, err := c.alloc(actBytes(f, g.Rows, g.Widest()))
		if err != nil {
			return nil, err
		}
		c.acts[f] = acts{form: f, at: at}
	}
	return c, nil
}

// alloc gives memory until Close.
func (c *context) alloc(bytes int64) (pointer, error) {
	p, err := c.device.alloc(bytes)
	if err == nil {
		c.release = append(c.release, func() { c.device.free(p) })
	}
	return p, err
}

func (c *context) Buffer(rows, cols int) (engine.Buffer, error) {
	if rows < 0 || cols < 0 || cols > 0 && rows > (1<<40)/cols {
		return nil, fmt.Errorf("cuda: a buffer of %d x %d is out of range", rows, cols)
	}
	at, err := c.alloc(4 * int64(rows) * int64(cols))
	return &buffer{matrix{at, rows, cols}}, err
}

// queue keeps the first error for Wait.
func (c *context) queue(f func() error) {
	if c.failed == nil {
		c.failed = f()
	}
}

func (c *context) Seek(pos int, tokens []int32) {
	c.queue(func() error { return seek(c.device, c.state.control, pos, tokens) })
}

func (c *context) Sample(s engine.Sampling) {
	c.queue(func() error { return sample(c.device, c.state.control, s) })
}

func (c *context) Run(p engine.Pass) {
	c.queue(func() error { return c.run(p.(*pass)) })
}

func (c *context) Wait() (engine.Outcome, error) {
	err := c.device.wait()
	if c.failed != nil {
		err, c.failed = c.failed, nil
	}
	if err != nil {
		return engine.Outcome{}, err
	}
	return c.state.control.outcome(c.pinned), nil
}

func (c *context) Read(b engine.Buffer, dst []float32) error {
	m := b.(*buffer).matrix
	n := m.rows * m.cols
	if n == 0 {
		return nil
	}
	return c.device.download(unsafe.Slice((*byte)(unsafe.Pointer(&dst[:n][0])), 4*n), m.at)
}

func (c *context) SaveKV(dst []byte, layer, n int) ([]byte, error) {
	return saveKV(c.device, c.state, dst, layer, n)
}

func (c *context) RestoreKV(src []byte, layer, n int) error {
	return restoreKV(c.device, c.state, src, layer, n)
}

func (c *context) Memory() engine.Memory { return contextMemory(c.Geometry) }

// Close waits for what is queued and frees everything.
func (c *context) Close() error {
	err := c.device.wait()
	for _, p := range c.graphs {
		p.graph.release()
	}
	for _, f := range c.release {
		f()
	}
	c.graphs, c.release = nil, nil
	return errors.Join(err, c.device.close())
}
