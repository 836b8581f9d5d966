package cuda

import (
	"slices"

	"orthrus/engine"
)

// pass is a recorded sequence of steps. One of few rows, which decoding runs again and again, becomes a graph when it is
// first run; a prompt's is launched step by step, which takes less time than its kernels.
type pass struct {
	steps []*step
	rows  int // of the largest step
	graph graph
}

const (
	graphRows = 64 // of the largest pass that becomes a graph
	maxGraphs = 64 // a context keeps
)

// Record implements [engine.Context].
func (c *context) Record(build func(engine.Ops)) (engine.Pass, error) {
	r := &recorder{context: c}
	build(r)
	return &pass{steps: r.steps, rows: r.rows}, r.failed
}

func (c *context) run(p *pass) error {
	if p.graph != nil {
		i := slices.Index(c.graphs, p)
		c.graphs = append(slices.Delete(c.graphs, i, i+1), p)
		return c.device.run(p.graph)
	}
	// The device computes while the graph is made.
	if err := p.launch(); err != nil || p.rows > graphRows {
		return err
	}
	if len(c.graphs) == maxGraphs {
		c.graphs[0].graph.release()
		c.graphs[0].graph = nil
		c.graphs = c.graphs[1:]
	}
	g, err := c.device.record(p.launch)
	if err != nil {
		return err
	}
	p.graph = g
	c.graphs = append(c.graphs, p)
	return nil
}

func (p *pass) launch() error {
	for _, s := range p.steps {
		if err := s.launch(s); err != nil {
			return err
		}
	}
	return nil
}
