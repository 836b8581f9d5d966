package metal

import (
	"fmt"

	"orthrus/engine"
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

// widest is the longest row that a product takes.
func widest(g engine.Geometry) int { return max(g.Hidden, g.Heads*g.HeadDim, g.FF) }

func gigabytes(bytes int64) string { return fmt.Sprintf("%.1f GB", float64(bytes)/1e9) }
