//go:build gpu

package metal

import (
	"sync"
	"testing"
)

// thorough: a GPU is fast.
var all = true
var thorough = &all

// modelDevice is the machine's GPU too.
func modelDevice(t testing.TB, seed uint64) device { return testDevice(t, seed) }

var openOnce = sync.OnceValues(openDevice)

// open is a device that stays open for the next test: the kernels are compiled once.
type open struct{ device }

func (open) close() error { return nil }

// testDevice is the machine's GPU.
func testDevice(t testing.TB, _ uint64) device {
	t.Helper()
	d, err := openOnce()
	if err != nil {
		t.Fatal(err)
	}
	return open{d}
}

// TestCompile has Apple's compiler read the kernels, on whatever device there is.
func TestCompile(t *testing.T) {
	o, err := loadObjC()
	if err != nil {
		t.Fatal(err)
	}
	o.pool(func() {
		g := &gpu{objc: o, handle: o.systemDevice()}
		if g.handle == 0 {
			t.Fatal("Metal has no device on this machine")
		}
		t.Logf("%+v", describe(o, g.handle))
		if err := g.compile(kernelSource()); err != nil {
			t.Fatal(err)
		}
		if err := g.keepResident(); err != nil {
			t.Error(err)
		}
		g.close()
	})
}

// TestMatrices tells whether the GPU multiplies 8x8 matrices as Apple does not promise (selftest.go). Without, it works too.
func TestMatrices(t *testing.T) {
	for _, typ := range types {
		b := newBackend(testDevice(t, 0))
		if err := b.verify(typ); err != nil {
			t.Error(err)
		} else if !b.exact {
			t.Errorf("%v: rows are multiplied two by two", typ)
		}
	}
}
