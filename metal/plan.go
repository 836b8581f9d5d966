package metal

import (
	"fmt"
	"sort"
	"strings"

	"orthrus/engine"
	"orthrus/gguf"
)

// needs are bytes of memory.
type needs struct{ weights, cache, work int64 }

// contextNeeds is what one context takes.
func contextNeeds(g engine.Geometry) needs {
	tiles, kept := partsBytes(g)
	n := needs{cache: 2 * int64(g.Layers) * layerBytes(g)}
	n.work = g.Activations() + controlBytes(g.Rows) + rotationBytes(g) + tiles + kept
	for _, f := range []form{form32, form256} {
		q, scales, sums := actBytes(f, g.Rows, widest(g))
		n.work += q + scales + sums
	}
	return n
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
	n, memory := contextNeeds(g), b.device.properties().memory
	if n.weights = m.Bytes(); n.weights+n.cache+n.work > memory {
		return b.tooLarge(g, n, memory)
	}
	return nil
}

// tooLarge tells what is needed, what there is, and what would fit.
func (b *Backend) tooLarge(g engine.Geometry, n needs, memory int64) error {
	var fits []string
	if c := largestContext(g, memory-n.weights); c > 0 {
		fits = append(fits, fmt.Sprintf("-c %d", c))
	}
	if smaller := g; g.Cache != gguf.Q8_0 && g.HeadDim%32 == 0 {
		smaller.Cache = gguf.Q8_0
		if s := contextNeeds(smaller); n.weights+s.cache+s.work <= memory {
			fits = append(fits, "--cache-type q8_0")
		}
	}
	advice := "use a smaller type of weights, or -b cpu"
	if fits != nil {
		advice = strings.Join(fits, " or ") + " would fit"
	}
	return fmt.Errorf("metal has %s of memory for the GPU, and %s are needed (%s for weights, %s for a context of %d tokens, %s to work): %s",
		gigabytes(memory), gigabytes(n.weights+n.cache+n.work), gigabytes(n.weights), gigabytes(n.cache), g.Context, gigabytes(n.work), advice)
}

// largestContext is the largest context, in steps, that fits into so many bytes, or 0.
func largestContext(g engine.Geometry, bytes int64) int {
	const step = 256
	return step * sort.Search(g.Context/step, func(i int) bool {
		g.Context = (i + 1) * step
		n := contextNeeds(g)
		return n.cache+n.work > bytes
	})
}

// widest is the longest row that a product takes.
func widest(g engine.Geometry) int { return max(g.Hidden, g.Heads*g.HeadDim, g.FF) }

func gigabytes(bytes int64) string { return fmt.Sprintf("%.1f GB", float64(bytes)/1e9) }
