package main

import (
	"slices"

	"orthrus/convert"
	"orthrus/engine"
)

// shape is a size of Qwen3 (the models' config.json).
type shape struct {
	name                               string
	hidden, layers, heads, kvHeads, ff int
	tied                               bool
}

var shapes = []shape{
	{"0.6b", 1024, 28, 16, 8, 3072, true},
	{"1.7b", 2048, 28, 16, 8, 6144, true},
	{"4b", 2560, 36, 32, 8, 9728, true},
	{"8b", 4096, 36, 32, 8, 12288, false},
	{"14b", 5120, 40, 40, 8, 17408, false},
	{"32b", 5120, 64, 64, 8, 25600, false},
}

func shapeNames() []string {
	names := make([]string, len(shapes))
	for i, s := range shapes {
		names[i] = s.name
	}
	return names
}

// config is common to all sizes but for the shape.
func (s shape) config() engine.Config {
	const headDim = 128
	return engine.Config{
		Arch: "orthrus", Name: "random " + s.name,
		Layers: s.layers, Hidden: s.hidden, Heads: s.heads, KVHeads: s.kvHeads, HeadDim: headDim, FF: s.ff,
		Vocab: 151936, Context: 40960, Eps: 1e-6, Rope: engine.NewRope(1e6, headDim),
		BlockSize: 32, MaskToken: 151669,
	}
}

// randomModel makes a model of a size with random weights, of the types that
// convert would give them.
func randomModel(size, typ, diffType string) (*engine.Model, error) {
	s := shapes[slices.IndexFunc(shapes, func(s shape) bool { return s.name == size })]
	types, err := convert.Plan(typ, diffType, s.layers, s.tied)
	if err != nil {
		return nil, err
	}
	return engine.Random(s.config(), s.tied, types)
}
