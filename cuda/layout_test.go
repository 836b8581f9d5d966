//go:build emulator && linux

package cuda

import (
	"reflect"
	"testing"

	"orthrus/internal/emulator"
)

// parameters has the Go type of every kernel's parameter.
var parameters = map[string]any{
	"sample":           sampleArgs{},
	"seek":             seekArgs{},
	"mask":             maskArgs{},
	"draft":            draftArgs{},
	"choose":           chooseArgs{},
	"survey":           surveyArgs{},
	"accept":           acceptArgs{},
	"norm":             normArgs{},
	"gate":             gateArgs{},
	"heads":            headsArgs{},
	"heads8":           headsArgs{},
	"rotations":        rotationArgs{},
	"session":          sessionArgs{},
	"merge":            mergeArgs{},
	"merge_f32":        mergeArgs{},
	"attend_f32":       attendArgs{},
	"whole_f16_32":     attendArgs{},
	"whole_f16_64":     attendArgs{},
	"whole_f16_128":    attendArgs{},
	"whole_q8_32":      attendArgs{},
	"whole_q8_64":      attendArgs{},
	"whole_q8_128":     attendArgs{},
	"attend_f16_32_1":  attendArgs{},
	"attend_f16_64_1":  attendArgs{},
	"attend_f16_128_1": attendArgs{},
	"attend_q8_32_1":   attendArgs{},
	"attend_q8_32_2":   attendArgs{},
	"attend_q8_64_1":   attendArgs{},
	"attend_q8_64_2":   attendArgs{},
	"attend_q8_128_1":  attendArgs{},
	"attend_q8_128_2":  attendArgs{},
	"quantize":         quantizeArgs{},

	"products32x8":   productsArgs{},
	"products32x16":  productsArgs{},
	"products256x8":  productsArgs{},
	"products256x16": productsArgs{},
	"products256x8d": productsArgs{},
	"prompt32x4":     productsArgs{},
	"prompt32x8":     productsArgs{},
	"prompt256x4":    productsArgs{},
	"prompt256x8":    productsArgs{},
	"floats":         floatArgs{},
	"floatTiles8":    floatArgs{},
	"floatTiles16":   floatArgs{},
	"embed":          embedArgs{},

	"copyMemory": copyMemoryArgs{},
	"multiply":   multiplyArgs{},
}

// TestLayout holds the parameters of the kernels equal in Go and C++: names, offsets and sizes of all fields.
func TestLayout(t *testing.T) {
	m, err := loadKernels()
	if err != nil {
		t.Fatal(err)
	}
	for name := range parameters {
		if _, ok := m.Kernels[name]; !ok {
			t.Errorf("there is no kernel %s", name)
		}
	}
	for name, kernel := range m.Kernels {
		args, ok := parameters[name]
		if !ok {
			t.Errorf("kernel %s: add its parameter to the list of this test", name)
			continue
		}
		of := reflect.TypeOf(args)
		if int(of.Size()) != kernel.Args || of.Size()%8 != 0 {
			t.Errorf("%s has %d bytes, that of kernel %s %d; both must be a multiple of 8", of, of.Size(), name, kernel.Args)
		}
		got, want := emulator.Layout(of), kernel.Layout()
		if got != want {
			t.Errorf("%s is not the parameter of kernel %s\nGo:\n%s\nC++:\n%s", of, name, got, want)
		}
	}
}
