package cuda

import (
	"fmt"
	"strings"

	"orthrus/engine"
	"orthrus/quant"
)

// needs are bytes of device memory.
type needs struct {
	weights, cache, work int64
}

func (n needs) sum() int64 { return n.weights + n.cache + n.work }

// quantizedForms are the forms of int8 that a context has room for.
var quantizedForms = [...]quant.Form{quant.Form32, quant.Form256}

// slack is what the driver takes for recorded passes, and loses by rounding.
const slack = 256 << 20

// contextNeeds is what one context takes.
func contextNeeds(g engine.Geometry) needs {
	state, _ := stateBytes(g)
	n := needs{cache: newCache(g, g.Layers, g.Context).bytes()}
	n.work = state - n.cache + g.Activations() + slack
	for _, f := range quantizedForms {
		n.work += actBytes(f, g.Rows, g.Widest())
	}
	return n
}

// contextBytes is the sum of it.
func contextBytes(g engine.Geometry) int64 { return contextNeeds(g).sum() }

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
	n := contextNeeds(g)
	var parameters int64
	for _, t := range m.Tensors() {
		n.weights += weightBytes(t)
		parameters += int64(t.Elems())
	}
	free, _, err := b.device.memory()
	if err != nil {
		return err
	}
	if n.sum() > free {
		return b.tooLarge(g, n, free, smallerType(parameters, n, free))
	}
	at, err := b.device.alloc(n.weights)
	if err != nil {
		return err
	}
	b.memory = append(b.memory, at)
	b.reserved = span{at, n.weights}
	return nil
}

// tooLarge tells what is needed, what is free, and what would fit.
func (b *Backend) tooLarge(g engine.Geometry, n needs, free int64, others ...string) error {
	var parts []string
	if n.weights > 0 {
		parts = append(parts, fmt.Sprintf("%s for weights", gigabytes(n.weights)))
	}
	parts = append(parts, fmt.Sprintf("%s for a context of %d tokens", gigabytes(n.cache), g.Context), fmt.Sprintf("%s to work", gigabytes(n.work)))
	fits := g.Fitting(free-n.weights, contextBytes)
	for _, s := range others {
		if s != "" {
			fits = append(fits, s)
		}
	}
	advice := "use -b cpu"
	if fits != nil {
		advice = strings.Join(fits, " or ") + " would fit"
	}
	return fmt.Errorf("%s has %s of memory free, and %s are needed (%s): %s",
		b.name, gigabytes(free), gigabytes(n.sum()), strings.Join(parts, ", "), advice)
}

// smallerType names the best type of weights with which a model would fit, or nothing.
func smallerType(parameters int64, n needs, free int64) string {
	for _, t := range []struct {
		name string
		bits float64 // of a weight, about
	}{{"q8_0", 8.5}, {"q6_k", 6.6}, {"q5_k_m", 5.7}, {"q4_k_m", 4.9}, {"q4_0", 4.5}} {
		bytes := int64(float64(parameters) * t.bits / 8)
		if bytes < n.weights && bytes+n.cache+n.work <= free {
			return "weights of type " + t.name
		}
	}
	return ""
}

func gigabytes(bytes int64) string { return fmt.Sprintf("%.1f GB", float64(bytes)/1e9) }
