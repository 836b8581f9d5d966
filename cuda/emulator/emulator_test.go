//go:build emulator && linux

package emulator

import (
	"testing"
	"unsafe"

	"orthrus/internal/emulator"
)

func machine(t *testing.T) *emulator.Machine {
	t.Helper()
	m, err := Load(".", "testdata/kernels.cu")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func bytesOf[T any](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
}

func TestScale(t *testing.T) {
	m := machine(t)
	x, _ := m.Allocate(4000)
	y, _ := m.Allocate(4000)
	v := make([]float32, 1000)
	for i := range v {
		v[i] = float32(i)
	}
	m.Upload(x, bytesOf(v))
	args := struct {
		x, y  uintptr
		n     int32
		scale float32
	}{x, y, 1000, 3}
	if err := m.Launch("scale", [3]int{8, 1, 1}, [3]int{128, 1, 1}, 0, unsafe.Pointer(&args), unsafe.Sizeof(args), 1); err != nil {
		t.Fatal(err)
	}
	m.Download(bytesOf(v), y)
	for i := range v {
		if v[i] != float32(3*i) {
			t.Fatal(i, v[i])
		}
	}
	args.n = 1024
	if err := m.Launch("scale", [3]int{8, 1, 1}, [3]int{128, 1, 1}, 0, unsafe.Pointer(&args), unsafe.Sizeof(args), 1); err == nil {
		t.Fatal("no error")
	} else {
		t.Log(err)
	}
}
