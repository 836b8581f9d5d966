package engine

import (
	"fmt"
	"sort"
	"strings"

	"orthrus/gguf"
)

// Bytes is the sum.
func (m Memory) Bytes() int64 { return m.Cache + m.Activations }

// Widest is the longest row that a product of a pass takes.
func (g Geometry) Widest() int { return max(g.Hidden, g.Heads*g.HeadDim, g.FF) }

// Fit checks that a context has room in the memory of a device beside weights of
// so many bytes and parameters; both are 0 if the weights are there already. room
// is in bytes, and memory tells what a context takes. The error is one line: what
// is needed, and what would fit.
func (g Geometry) Fit(device string, room, weights, parameters int64, memory func(Geometry) Memory) error {
	m := memory(g)
	needed := weights + m.Bytes()
	if needed <= room {
		return nil
	}
	parts := fmt.Sprintf("%s for a context of %d tokens, %s to work", gigabytes(m.Cache), g.Context, gigabytes(m.Activations))
	if weights > 0 {
		parts = gigabytes(weights) + " for weights, " + parts
	}
	options := g.smaller(room-weights, memory)
	if t := smallerType(parameters, min(weights-1, room-m.Bytes())); t != "" {
		options = append(options, "weights of type "+t)
	}
	advice := "use -b cpu"
	if options != nil {
		advice = strings.Join(options, " or ") + " would fit"
	}
	return fmt.Errorf("%s has room for %s, and %s are needed (%s): %s",
		device, gigabytes(max(room, 0)), gigabytes(needed), parts, advice)
}

// smaller lists the options with which a context would fit into so many bytes:
// fewer positions, a cache of a smaller type.
func (g Geometry) smaller(bytes int64, memory func(Geometry) Memory) (options []string) {
	const step = 256 // positions
	fewer := g
	positions := step * sort.Search(g.Context/step, func(i int) bool {
		fewer.Context = (i + 1) * step
		return memory(fewer).Bytes() > bytes
	})
	if positions > 0 {
		options = append(options, fmt.Sprintf("-c %d", positions))
	}
	if q8 := g; g.Cache != gguf.Q8_0 && g.HeadDim%32 == 0 {
		q8.Cache = gguf.Q8_0
		if memory(q8).Bytes() <= bytes {
			options = append(options, "--cache-type q8_0")
		}
	}
	return options
}

// smallerType names the best type by which so many weights take at most so many
// bytes, or nothing.
func smallerType(parameters, bytes int64) string {
	for _, t := range []struct {
		name string
		bits float64 // of a weight, about
	}{{"q8_0", 8.5}, {"q6_k", 6.6}, {"q5_k_m", 5.7}, {"q4_k_m", 4.9}, {"q4_0", 4.5}} {
		if parameters > 0 && int64(float64(parameters)*t.bits/8) <= bytes {
			return t.name
		}
	}
	return ""
}

func gigabytes(bytes int64) string { return fmt.Sprintf("%.1f GB", float64(bytes)/1e9) }
