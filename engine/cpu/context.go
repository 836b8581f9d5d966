package cpu

import (
	"fmt"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// context implements [engine.Context]. The CPU computes as soon as a pass is
// run; a pass is a list of functions that read the control block when called.
type context struct {
	engine.Geometry
	pool  *pool
	cache cache

	// The control block.
	pos      int
	tokens   []int32
	choices  []int32
	chances  []float32
	sampling engine.Sampling
	outcome  engine.Outcome

	acts        []*quant.Act // prepared inputs, one for each form that weights need
	cos, sin    []float32    // [rows][HeadDim/2], of the running pass
	parts       []parts
	workers     []worker
	activations int64
}

// worker is the scratch memory of one thread.
type worker struct {
	attention attention
	filter    filter
}

type pass []func()

func (c *context) Buffer(rows, cols int) (engine.Buffer, error) {
	if rows < 0 || cols < 0 || cols > 0 && rows > (1<<40)/cols {
		return nil, fmt.Errorf("cpu: a buffer of %d x %d is out of range", rows, cols)
	}
	c.activations += int64(rows) * int64(cols) * 4
	return &buffer{make([]float32, rows*cols), rows, cols}, nil
}

func (c *context) Record(build func(engine.Ops)) (engine.Pass, error) {
	r := &recorder{context: c}
	build(r)
	return r.ops, nil
}

func (c *context) Seek(pos int, tokens []int32) {
	c.pos = pos
	copy(c.tokens, tokens)
}

func (c *context) Sample(s engine.Sampling) { c.sampling = s }

func (c *context) Run(p engine.Pass) {
	for _, op := range p.(pass) {
		op()
	}
}

func (c *context) Wait() (engine.Outcome, error) {
	return c.outcome, nil
}

func (c *context) Read(b engine.Buffer, dst []float32) error {
	copy(dst, b.(*buffer).data)
	return nil
}

func (c *context) Memory() engine.Memory {
	return engine.Memory{Cache: c.cache.bytes(), Activations: c.activations}
}

// Close gives the cache's memory back; nothing may use it any more.
func (c *context) Close() error {
	memory := c.cache.memory
	c.cache = cache{}
	if memory == nil {
		return nil
	}
	return release(memory)
}

// act returns the memory for inputs of weights of type t, which all products of the same form share.
func (c *context) act(t gguf.Type, cols int) *quant.Act {
	for _, a := range c.acts {
		if a.Serves(t) {
			return a
		}
	}
	a := new(quant.Act)
	a.Reset(t, 0, cols)
	c.acts = append(c.acts, a)
	return a
}
