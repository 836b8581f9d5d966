package quant

import (
	"encoding/binary"
	"hash/crc64"
	"math"
	"math/rand/v2"
	"testing"

	"orthrus/gguf"
)

// uniform returns n values in [-limit, limit), made by exact operations alone, the same on every machine.
func uniform(r *rand.Rand, n int, limit float32) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(int32(r.Uint32())>>8) * 0x1p-23 * limit
	}
	return x
}

// digest is the checksum of the bits of x.
func digest(x []float32) uint64 {
	h := crc64.New(crc64.MakeTable(crc64.ECMA))
	binary.Write(h, binary.LittleEndian, x)
	return h.Sum64()
}

// The bits themselves are fixed: no machine, compiler or kernel may give others. A change here is a change of
// the numeric contract, which the GPU kernels share and saved outputs depend on.
func TestContract(t *testing.T) {
	const rows, k, n = 19, 768, 6
	products := map[gguf.Type]uint64{
		gguf.F32:  0x57bb016f1f5c6326,
		gguf.F16:  0xdfdd333e1dc2cea8,
		gguf.BF16: 0x931989e136f0ccb5,
		gguf.Q8_0: 0xf742739d68bd1e45,
		gguf.Q4_0: 0x9b13a4cb51f2e531,
		gguf.Q4_K: 0x61b68558aeeebfae,
		gguf.Q5_K: 0x12e42dafd61fab1d,
		gguf.Q6_K: 0xd20f0d6f01e9cdd8,
	}
	for _, kern := range available() {
		use(t, kern)
		r := rand.New(rand.NewPCG(1, 2))
		for _, typ := range productTypes {
			size, _ := typ.RowBytes(k)
			w := make([]byte, rows*size)
			if FormOf(typ) == FormFloat {
				Quantize(typ, w, uniform(r, rows*k, 1))
			} else {
				for i := range w {
					w[i] = byte(r.Uint32())
				}
				_, block := typ.Block()
				for at := 0; at < len(w); at += block {
					for _, s := range scalesAt(typ) {
						w[at+s+1] &= 0xbb // below 1
					}
				}
			}
			var a Act
			a.Reset(typ, n, k)
			for i := range n {
				a.Set(i, uniform(r, k, 3))
			}
			y := make([]float32, n*rows)
			MatMul(y, rows, typ, w, k, 0, rows, &a, false)
			if got, want := digest(y), products[typ]; got != want {
				t.Errorf("%s: %v: digest %#016x, want %#016x", kern.name, typ, got, want)
			}
		}

		x, z := uniform(r, 1000, 100), uniform(r, 1000, 4)
		dst := make([]float32, 1000)
		check := func(name string, want uint64) {
			t.Helper()
			for _, v := range dst {
				if math.IsNaN(float64(v)) {
					t.Errorf("%s: %s gave a NaN", kern.name, name)
				}
			}
			if got := digest(dst); got != want {
				t.Errorf("%s: %s: digest %#016x, want %#016x", kern.name, name, got, want)
			}
		}
		ExpSlice(dst, x)
		check("ExpSlice", 0x845335f551b26e8c)
		SiLUMul(dst, z, x)
		check("SiLUMul", 0x02d0b67596b26c73)
		for i := range dst {
			dst[i] = Dot(x[:i], z[:i])
		}
		check("Dot", 0x59692973976cf936)
	}
}
