package metal

import (
	"fmt"
	"strings"

	"orthrus/engine"
	"orthrus/quant"
)

// needs are bytes of memory.
type needs struct{ weights, cache, work int64 }

func (n needs) sum() int64 { return n.weights + n.cache + n.work }

// contextNeeds is what one context takes.
func contextNeeds(g engine.Geometry) needs {
	tiles, kept := partsBytes(g)
	n := needs{cache: 2 * int64(g.Layers) * layerBytes(g)}
	n.work = g.Activations() + controlBytes(g.Rows) + rotationBytes(g) + tiles + kept
	for _, f := range []quant.Form{quant.Form32, quant.Form256} {
		q, scales, sums := actBytes(f, g.Rows, g.Widest())
		n.work += q + scales + sums
	}
	return n
}

// contextBytes is the sum of it.
func contextBytes(g engine.Geometry) int64 { return contextNeeds(g).sum() }

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
	n, memory := contextNeeds(g), b.device.properties().memory
	if n.weights = m.Bytes(); n.sum() > memory {
		return b.tooLarge(g, n, memory)
	}
	return nil
}

// tooLarge tells what is needed, what there is, and what would fit.
func (b *Backend) tooLarge(g engine.Geometry, n needs, memory int64) error {
	fits := g.Fitting(memory-n.weights, contextBytes)
	advice := "use a smaller type of weights, or -b cpu"
	if fits != nil {
		advice = strings.Join(fits, " or ") + " would fit"
	}
	return fmt.Errorf("metal has %s of memory for the GPU, and %s are needed (%s for weights, %s for a context of %d tokens, %s to work): %s",
		gigabytes(memory), gigabytes(n.sum()), gigabytes(n.weights), gigabytes(n.cache), g.Context, gigabytes(n.work), advice)
}

func gigabytes(bytes int64) string { return fmt.Sprintf("%.1f GB", float64(bytes)/1e9) }
