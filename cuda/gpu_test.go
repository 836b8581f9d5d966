//go:build gpu

package cuda

import (
	"sync"
	"testing"
)

// thorough is whether tests are to look at everything that they could.
const thorough = true

var theGPU = sync.OnceValues(func() (*gpu, error) {
	list, err := Devices()
	if err != nil {
		return nil, err
	}
	return openGPU(list[0])
})

// fastDevice is testDevice: the emulator has another one for tests of the whole backend.
func fastDevice(t testing.TB) device { return testDevice(t) }

// testDevice gives a queue of the first GPU.
func testDevice(t testing.TB) device {
	t.Helper()
	g, err := theGPU()
	if err != nil {
		t.Fatal(err)
	}
	d, err := g.fork()
	if err != nil {
		t.Fatal(err)
	}
	return d
}
