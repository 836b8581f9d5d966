//go:build gpu

package metal

import "testing"

// thorough: a GPU is fast.
var all = true
var thorough = &all

// modelDevice is the machine's GPU too.
func modelDevice(t testing.TB, seed uint64) device { return testDevice(t, seed) }

// testDevice is the machine's GPU.
func testDevice(t testing.TB, _ uint64) device {
	t.Helper()
	d, err := openDevice()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.close() })
	return d
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
