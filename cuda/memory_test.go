//go:build (emulator && linux) || gpu

package cuda

import (
	"testing"
	"unsafe"
)

// put gives device memory with a copy of values; it is freed when the test ends.
func put[T any](t testing.TB, d device, values []T) pointer {
	t.Helper()
	p := room[T](t, d, len(values))
	if err := d.upload(p, asBytes(values)); err != nil {
		t.Fatal(err)
	}
	return p
}

// room gives zeroed device memory for n values; it is freed when the test ends.
func room[T any](t testing.TB, d device, n int) pointer {
	t.Helper()
	var v T
	p, err := d.alloc(int64(n) * int64(unsafe.Sizeof(v)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.free(p) })
	return p
}

// get copies n values from the device.
func get[T any](t testing.TB, d device, p pointer, n int) []T {
	t.Helper()
	values := make([]T, n)
	if err := d.download(asBytes(values), p); err != nil {
		t.Fatal(err)
	}
	return values
}

func asBytes[T any](values []T) []byte {
	if len(values) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), len(values)*int(unsafe.Sizeof(values[0])))
}
