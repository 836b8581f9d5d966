package metal

import (
	"errors"
	"fmt"
	"math"

	"orthrus/engine"
	"orthrus/quant"
)

// context implements [engine.Context] with a queue of its own. Memory is shared, so what the host reads after Wait is where
// the kernels left it.
type context struct {
	engine.Geometry
	backend   *Backend
	queue     queue
	memory    []buffer
	control   control
	cache     cache
	rotations rotations
	parts     parts
	acts      map[quant.Form]acts
	scale     float32 // of attention's scores
	position  int     // of the next pass, or of one behind it: what was queued may move it by less
	failed    error   // of something queued, for Wait to tell
}

// activations implements [engine.Buffer].
type activations struct{ matrix }

func (a *activations) Rows() int { return a.rows }
func (a *activations) Cols() int { return a.cols }

func (a *activations) Slice(from, to int) engine.Buffer { return &activations{a.slice(from, to)} }

func matrixOf(b engine.Buffer) matrix { return b.(*activations).matrix }

func (b *Backend) open(g engine.Geometry) (_ *context, err error) {
	if err := checkGeometry(g); err != nil {
		return nil, err
	}
	c := &context{Geometry: g, backend: b, acts: map[quant.Form]acts{}, scale: float32(1 / math.Sqrt(float64(g.HeadDim)))}
	defer func() {
		if err != nil {
			c.Close()
		}
	}()
	if c.queue, err = b.device.queue(); err != nil {
		return nil, err
	}
	if c.cache, err = newCache(g, c.alloc); err != nil {
		return nil, err
	}
	tiles, kept := partsBytes(g)
	c.control.rows, c.rotations.rope, c.rotations.most = g.Rows, g.Rope, g.Context
	for _, m := range []struct {
		memory *buffer
		bytes  int64
	}{
		{&c.control.memory, controlBytes(g.Rows)},
		{&c.rotations.memory, rotationBytes(g)},
		{&c.parts.tiles, tiles},
		{&c.parts.kept, kept},
	} {
		if *m.memory, err = c.alloc(m.bytes); err != nil {
			return nil, err
		}
	}
	for _, f := range []quant.Form{quant.Form32, quant.Form256} {
		q, scales, sums := actBytes(f, g.Rows, g.Widest())
		memory, err := c.alloc(q + scales + sums)
		if err != nil {
			return nil, err
		}
		c.acts[f] = newActs(f, memory, g.Rows, g.Widest())
	}
	return c, nil
}

// alloc gives memory until Close.
func (c *context) alloc(bytes int64) (buffer, error) {
	b, err := c.backend.device.alloc(bytes)
	if err == nil {
		c.memory = append(c.memory, b)
	}
	return b, err
}

func (c *context) Buffer(rows, cols int) (engine.Buffer, error) {
	if rows < 0 || cols < 0 || cols > 0 && rows > (1<<40)/cols {
		return nil, fmt.Errorf("metal: a buffer of %d x %d is out of range", rows, cols)
	}
	b, err := c.alloc(max(4, 4*int64(rows)*int64(cols)))
	return &activations{matrix{at(b, 0), rows, cols}}, err
}

// run queues what f adds, and keeps the first error for Wait.
func (c *context) run(f func(l *list)) {
	if c.failed != nil {
		return
	}
	l := list{device: c.backend.device}
	f(&l)
	if c.failed = l.err; c.failed == nil {
		c.failed = c.queue.run(l.all)
	}
}

func (c *context) Seek(pos int, tokens []int32) {
	c.run(func(l *list) { seek(l, c.control, pos, tokens) })
	c.position = pos
}

func (c *context) Sample(s engine.Sampling) {
	c.run(func(l *list) { sample(l, c.control, s) })
}

func (c *context) Run(p engine.Pass) {
	pass := p.(*pass)
	c.rotations.reach(c.position + pass.rows)
	c.run(func(l *list) { l.all, l.err = pass.dispatches(c.tiles(pass.rows)) })
	c.position += pass.advance
}

// tiles is how many tiles of the cache a pass of so many rows may see.
func (c *context) tiles(rows int) int { return ceil(min(c.position+rows, c.Context), tileKeys) }

func (c *context) Wait() (engine.Outcome, error) {
	err := c.queue.wait()
	if c.failed != nil {
		err, c.failed = c.failed, nil
	}
	if err != nil {
		return engine.Outcome{}, err
	}
	c.position = int(c.control.read().position)
	return c.control.outcome(), nil
}

func (c *context) Read(b engine.Buffer, dst []float32) error {
	m := matrixOf(b)
	copy(dst, floatsOf(m.at.buffer.bytes()[m.at.offset:])[:m.rows*m.cols])
	return nil
}

func (c *context) SaveKV(dst []byte, layer, n int) ([]byte, error) {
	if n > c.Context {
		return dst, fmt.Errorf("metal: the cache has no %d positions", n)
	}
	from, half := len(dst), c.savedBytes(n)/2
	dst = append(dst, make([]byte, 2*half)...)
	c.cache.copyRows(c.cache.keys[layer].bytes(), dst[from:][:half], n, true, false)
	c.cache.copyRows(c.cache.values[layer].bytes(), dst[from+half:], n, false, false)
	return dst, nil
}

func (c *context) RestoreKV(src []byte, layer, n int) error {
	if n > c.Context || len(src) != c.savedBytes(n) {
		return fmt.Errorf("metal: %d bytes are not the cache of %d positions", len(src), n)
	}
	c.cache.copyRows(c.cache.keys[layer].bytes(), src[:len(src)/2], n, true, true)
	c.cache.copyRows(c.cache.values[layer].bytes(), src[len(src)/2:], n, false, true)
	return nil
}

// savedBytes is the size of a layer's keys and values of n positions.
func (c *context) savedBytes(n int) int { return 2 * c.KVHeads * n * c.cache.blockBytes / cacheBlock }

func (c *context) Memory() engine.Memory { return contextMemory(c.Geometry) }

// Close waits for what is queued and frees everything.
func (c *context) Close() error {
	var err error
	if c.queue != nil {
		err = c.queue.wait()
		c.queue.close()
	}
	for _, b := range c.memory {
		b.release()
	}
	c.queue, c.memory = nil, nil
	return errors.Join(err, c.failed)
}
