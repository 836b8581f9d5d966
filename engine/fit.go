package engine

import (
	"fmt"
	"sort"

	"orthrus/gguf"
)

// Widest is the longest row that a product of a pass takes.
func (g Geometry) Widest() int { return max(g.Hidden, g.Heads*g.HeadDim, g.FF) }

// Fitting lists the options with which a context would fit into so many bytes,
// where needs tells what one takes: fewer positions, a cache of a smaller type.
func (g Geometry) Fitting(bytes int64, needs func(Geometry) int64) (options []string) {
	const step = 256 // positions
	fewer := g
	positions := step * sort.Search(g.Context/step, func(i int) bool {
		fewer.Context = (i + 1) * step
		return needs(fewer) > bytes
	})
	if positions > 0 {
		options = append(options, fmt.Sprintf("-c %d", positions))
	}
	if smaller := g; g.Cache != gguf.Q8_0 && g.HeadDim%32 == 0 {
		smaller.Cache = gguf.Q8_0
		if needs(smaller) <= bytes {
			options = append(options, "--cache-type q8_0")
		}
	}
	return options
}
