package metal

import (
	"orthrus/engine"
	"orthrus/quant"
)

// contextMemory is what one context takes.
func contextMemory(g engine.Geometry) engine.Memory {
	tiles, kept := partsBytes(g)
	m := engine.Memory{
		Cache:       2 * int64(g.Layers) * layerBytes(g),
		Activations: g.Activations() + controlBytes(g.Rows) + rotationBytes(g) + tiles + kept,
	}
	for _, f := range []quant.Form{quant.Form32, quant.Form256} {
		q, scales, sums := actBytes(f, g.Rows, g.Widest())
		m.Activations += q + scales + sums
	}
	return m
}

// Reserve plans the memory of a model and a context, before anything else is done. A model that does not fit is an error of
// one line that tells what would.
func (b *Backend) Reserve(m *engine.Model, o engine.DecoderOptions) error {
	if o.Chunk <= 0 {
		o.Chunk = b.Chunk()
	}
	g, err := m.Geometry(o)
	if err != nil {
		return err
	}
	return g.Fit(b.Name(), b.device.properties().memory, m.Bytes(), m.Parameters(), contextMemory)
}
