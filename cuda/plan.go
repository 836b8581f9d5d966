package cuda

import (
	"orthrus/engine"
	"orthrus/quant"
)

// quantizedForms are the forms of int8 that a context has room for.
var quantizedForms = [...]quant.Form{quant.Form32, quant.Form256}

// slack is what the driver takes for recorded passes, and loses by rounding.
const slack = 256 << 20

// contextMemory is what one context takes.
func contextMemory(g engine.Geometry) engine.Memory {
	state, _ := stateBytes(g)
	m := engine.Memory{Cache: newCache(g, g.Layers, g.Context).bytes()}
	m.Activations = state - m.Cache + g.Activations()
	for _, f := range quantizedForms {
		m.Activations += actBytes(f, g.Rows, g.Widest())
	}
	return m
}

// fit checks that a context has room beside weights (engine.Geometry.Fit).
func (b *Backend) fit(g engine.Geometry, weights, parameters int64) error {
	free, _, err := b.device.memory()
	if err != nil {
		return err
	}
	return g.Fit(b.name, free-slack, weights, parameters, contextMemory)
}

// Reserve plans the memory of a model and a context, and takes that of the weights, before anything else is done. A
// model that does not fit is an error of one line that tells what would.
func (b *Backend) Reserve(m *engine.Model, o engine.DecoderOptions) error {
	if o.Chunk <= 0 {
		o.Chunk = b.Chunk()
	}
	g, err := m.Geometry(o)
	if err != nil {
		return err
	}
	if err := checkGeometry(g); err != nil {
		return err
	}
	var weights int64
	for _, t := range m.Tensors() {
		weights += weightBytes(t)
	}
	if err := b.fit(g, weights, m.Parameters()); err != nil {
		return err
	}
	at, err := b.device.alloc(weights)
	if err != nil {
		return err
	}
	b.memory = append(b.memory, at)
	b.reserved = span{at, weights}
	return nil
}
