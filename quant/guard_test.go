//go:build linux

package quant

import (
	"math/rand/v2"
	"syscall"
	"testing"
)

// guarded returns n bytes that end where memory ends, or begin where it begins: an access beyond them is a fault.
func guarded(t *testing.T, n int, atEnd bool) []byte {
	page := syscall.Getpagesize()
	size := (n + page - 1) / page * page
	m, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(m) })
	for _, guard := range [][]byte{m[:page], m[page+size:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	if atEnd {
		return m[page+size-n : page+size]
	}
	return m[page:][:n]
}

// Weights are read where a file is mapped, up to its end: products touch nothing outside the matrix.
func TestMatMulStaysInside(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	for _, kern := range available() {
		use(t, kern)
		for _, typ := range productTypes {
			for i, k := range widths(typ) {
				for _, n := range []int{1, 2, 5} {
					for _, rows := range []int{1 + r.IntN(8), 16 + r.IntN(9)} {
						a, _ := activations(r, typ, n, k, 0)
						w := randomWeights(r, typ, rows, k, false)
						inside := guarded(t, len(w), i%2 == 0)
						copy(inside, w)
						MatMul(make([]float32, n*rows), rows, typ, inside, k, 0, rows, a, false)
					}
				}
			}
		}
	}
}
