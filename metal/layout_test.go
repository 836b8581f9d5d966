//go:build emulator && linux

package metal

import (
	"reflect"
	"strings"
	"testing"

	"orthrus/internal/emulator"
)

// parameters has the Go type of every kernel's argument struct, by the kernel's name or by what it begins with.
var parameters = map[string]any{
	"accept": acceptArgs{}, "attend_": attendArgs{}, "choose": chooseArgs{}, "draft": draftArgs{}, "embed_": embedArgs{}, "gate": rowArgs{},
	"heads": headsArgs{}, "mask": maskArgs{}, "merge": mergeArgs{}, "multiply": productArgs{}, "norm": rowArgs{}, "multiplyMatrices": multiplyMatricesArgs{}, "quantize": quantizeArgs{}, "readMemory": readMemoryArgs{},
	"sample": sampleArgs{}, "seek": seekArgs{},
}

// TestLayout holds the argument structs equal in Go and Metal: names, offsets and sizes of all fields.
func TestLayout(t *testing.T) {
	m, err := loadKernels()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for name, kernel := range m.Kernels {
		args, ok := parameters[name]
		key := name
		for prefix, a := range parameters {
			if !ok && strings.HasPrefix(name, prefix) {
				args, key = a, prefix
			}
		}
		if args == nil {
			t.Errorf("kernel %s: add its argument struct to the list of this test", name)
			continue
		}
		used[key] = true
		of := reflect.TypeOf(args)
		if got, want := emulator.Layout(of), kernel.Layout(); got != want || of.Size()%8 != 0 {
			t.Errorf("%s, of %d bytes, is not the argument struct of kernel %s\nGo:\n%s\nMetal:\n%s", of, of.Size(), name, got, want)
		}
	}
	if len(used) != len(parameters) {
		t.Errorf("of %d structs only %d belong to kernels: %v", len(parameters), len(used), used)
	}
}
