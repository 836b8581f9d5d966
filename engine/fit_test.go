package engine_test

import (
	"strings"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
)

// TestFit has ever less memory for 8 billion weights in 16 GB and a context: the
// error is one line with what would fit.
func TestFit(t *testing.T) {
	const weights, parameters, work = 16e9, 8e9, 1e8
	g := engine.Geometry{Context: 2048, HeadDim: 128, Cache: gguf.F16}
	memory := func(g engine.Geometry) engine.Memory {
		row, _ := g.Cache.RowBytes(g.HeadDim)
		return engine.Memory{Cache: int64(row) * 500 * int64(g.Context), Activations: work}
	}
	cache := memory(g).Cache
	for _, c := range []struct {
		room, weights int64
		want          string
	}{
		{weights + cache + work, weights, ""},
		{weights + cache + work - 1, weights, "d has room for 16.4 GB, and 16.4 GB are needed (16.0 GB for weights, 0.3 GB for a context of 2048 tokens, " +
			"0.1 GB to work): -c 1792 or --cache-type q8_0 or weights of type q8_0 would fit"},
		{cache + work - 1, 0, "d has room for 0.4 GB, and 0.4 GB are needed (0.3 GB for a context of 2048 tokens, 0.1 GB to work): -c 1792 or --cache-type q8_0 would fit"},
		{8e9, weights, ": weights of type q6_k would fit"},
		{5.4e9, weights, ": weights of type q4_k_m would fit"},
		{4e9, weights, ": use -b cpu"},
		{-1, 0, "room for 0.0 GB"},
	} {
		p := int64(parameters)
		if c.weights == 0 {
			p = 0
		}
		err := g.Fit("d", c.room, c.weights, p, memory)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("room for %d: error %v, want %q", c.room, err, c.want)
		}
	}
}
