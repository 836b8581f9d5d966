package convert

import (
	"cmp"

	"orthrus/gguf"
)

// Plan returns the type that Convert gives to a tensor of an Orthrus model of
// that many layers, by the tensor's name in a GGUF file and the length of its
// rows. diffType is that of the diffusion projections; "" is one that fits typ.
// A name that such a model does not have gives F32.
func Plan(typ, diffType string, layers int, tied bool) (func(name string, cols int) gguf.Type, error) {
	main, err := findRecipe(cmp.Or(typ, DefaultType))
	if err != nil {
		return nil, err
	}
	diff, err := findRecipe(cmp.Or(diffType, main.diff))
	if err != nil {
		return nil, err
	}
	h := &hparams{layers: layers, tied: tied, blockSize: 1}
	slots := make(map[string]slot)
	for _, s := range h.slots() {
		slots[s.gguf] = s
	}
	return func(name string, cols int) gguf.Type {
		s, ok := slots[name]
		if !ok {
			return gguf.F32
		}
		s.dims = []int{cols}
		if s.diff {
			return diff.element(s, h)
		}
		return main.element(s, h)
	}, nil
}
