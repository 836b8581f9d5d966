package quant

import (
	"math"
	"math/rand/v2"
	"testing"

	"orthrus/gguf"
)

// value returns what a stands for at row i and column j, and the scale there.
func (a *Act) value(i, j int) (v, d float64) {
	g := i*a.groups() + j/group
	switch a.form {
	case Form32:
		b := &a.b32[g]
		d = float64(b.d[j%group/32])
		return d * float64(b.q[j%group]), d
	case Form256:
		b := &a.b256[g]
		d = float64(b.d)
		return d * float64(b.q[j%group]), d
	}
	return float64(a.x[i*a.k+j]), 0
}

func TestAct(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, typ := range productTypes {
		for _, k := range widths(typ) {
			for kind := range 2 {
				a, x := activations(r, typ, 3, k, kind)
				for i := range x {
					for j, want := range x[i] {
						got, d := a.value(i, j)
						if math.Abs(got-float64(want)) > d*(0.5+127*0x1p-22) {
							t.Fatalf("%v: %g became %g with scale %g", typ, want, got, d)
						}
					}
				}
			}
		}
	}
}

// Ties go to the even integer, and a block without a usable scale is zero.
func TestActEdges(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, typ := range []gguf.Type{gguf.Q8_0, gguf.Q4_K} {
		var a Act
		a.Reset(typ, 1, 512)
		x := make([]float32, 512)
		copy(x, []float32{127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 126.5, -127, -126.5, 3.4999998})
		a.Set(0, x)
		for j, want := range []float64{127, 0, 2, 2, 0, -2, -2, 126, -127, -126, 3, 0} {
			if got, d := a.value(0, j); got != want || d != 1 {
				t.Errorf("%v: %g became %g with scale %g, want %g", typ, x[j], got, d, want)
			}
		}
		for _, bad := range []float32{inf, -inf, nan, -nan, 1e-37, math.SmallestNonzeroFloat32} {
			x[7] = bad
			for j := range x[:7] {
				x[j] = bad / 4
			}
			clear(x[8:32])
			a.Set(0, x)
			for j := range x {
				if got, d := a.value(0, j); got != 0 || d != 0 {
					t.Fatalf("%v: with %g in the block, %g became %g with scale %g", typ, bad, x[j], got, d)
				}
			}
		}
	}
}

// All versions of Act.Set give the same bytes.
func TestActKernels(t *testing.T) {
	for _, kern := range available() {
		use(t, kern)
		r := rand.New(rand.NewPCG(5, 1))
		for _, k := range []int{32, 224, 256, 544, 1024} {
			for range 20 {
				for kind := range 3 {
					x := floats(r, k, kind)
					if kind == 1 {
						x[r.IntN(k)] = float32(math.Inf(1))
					}
					got, want := make([]act32, (k+255)/256), make([]act32, (k+255)/256)
					kern.set32(got, x)
					set32(want, x)
					for i := range want {
						if got[i] != want[i] {
							t.Fatalf("%s: set32 of %v: %v, want %v", kern.name, x, got[i], want[i])
						}
					}
					if k%group == 0 {
						got, want := make([]act256, k/256), make([]act256, k/256)
						kern.set256(got, x)
						set256(want, x)
						for i := range want {
							if got[i] != want[i] {
								t.Fatalf("%s: set256 of %v: %v, want %v", kern.name, x, got[i], want[i])
							}
						}
					}
				}
			}
		}
	}
}
