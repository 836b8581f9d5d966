//go:build emulator && linux

package cuda

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	cudaemulator "orthrus/cuda/emulator"
)

var loadDriver = sync.OnceValue(func() error { return cudaemulator.LoadDriver("emulator", "kernels/kernels.cu") })

func emulatedDriver(t *testing.T) {
	t.Helper()
	if err := loadDriver(); err != nil {
		t.Fatal(err)
	}
}

// TestDriver decodes through the calls of the driver, with the kernels that the PTX has: the tokens are those of the
// emulator without a driver.
func TestDriver(t *testing.T) {
	emulatedDriver(t)
	list, err := Devices()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].Describe() != "Emulated GPU, compute capability 9.0, driver of CUDA 12.8" {
		t.Errorf("devices: %+v", list)
	}
	if _, err := New(1); err == nil {
		t.Error("there is a second GPU")
	}
	b, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	want, got := decode(t, newBackend(fastDevice(t), "cuda:0")), decode(t, b)
	if !slices.Equal(got, want) {
		t.Errorf("decoded %v, want %v", got, want)
	}
}

// TestDriverErrors looks at errors of the driver: what a call returned, and of a kernel at the next wait.
func TestDriverErrors(t *testing.T) {
	emulatedDriver(t)
	list, err := Devices()
	if err != nil {
		t.Fatal(err)
	}
	g, err := openGPU(list[0])
	if err != nil {
		t.Fatal(err)
	}
	var code *driverError
	if _, err := g.alloc(1 << 40); !errors.As(err, &code) || code.code != outOfMemory || !strings.Contains(err.Error(), "lower -c") {
		t.Errorf("out of memory: %v", err)
	}
	if err := launch(g, "nothing", [3]int{1, 1, 1}, 32, 0, &maskArgs{}); err == nil || !strings.Contains(err.Error(), "kernel nothing") {
		t.Errorf("a kernel that is not there: %v", err)
	}
	if _, err := g.record(func() error { return g.wait() }); err == nil {
		t.Error("a graph waits")
	}
	// The last, as it breaks the context.
	if err := mask(g, control{at: 16, rows: 2}, 2, 1); err != nil {
		t.Fatal(err)
	}
	if err := g.wait(); !errors.As(err, &code) || code.code != illegalAddress {
		t.Errorf("a wild pointer: %v", err)
	}
	if err := g.close(); err == nil {
		t.Error("a broken context closes as if it were whole")
	}
}
