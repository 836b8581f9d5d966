package quant

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// sameBits reports whether x and y are the same value, or both NaN.
func sameBits(x, y float32) bool {
	return math.Float32bits(x) == math.Float32bits(y) || x != x && y != y
}

// floats returns n values of the given kind: 0 ordinary ones, 1 of all magnitudes, 2 any bits at all.
func floats(r *rand.Rand, n, kind int) []float32 {
	x := make([]float32, n)
	for i := range x {
		switch kind {
		case 0:
			x[i] = float32(r.NormFloat64())
		case 1:
			x[i] = float32(math.Ldexp(r.NormFloat64(), r.IntN(70)-35))
		default:
			x[i] = math.Float32frombits(r.Uint32())
		}
	}
	return x
}

// The order of a dot product, spelled out.
func TestDot(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for n := range 100 {
		x, y := floats(r, n, 0), floats(r, n, 0)
		got := Dot(x, y)
		var l [16]float32
		var exact, size float64
		for j := range l {
			for i := j; i < n; i += 16 {
				l[j] = FMA(x[i], y[i], l[j])
				exact += float64(x[i]) * float64(y[i])
				size += math.Abs(float64(x[i]) * float64(y[i]))
			}
		}
		want := (((l[0] + l[8]) + (l[4] + l[12])) + ((l[2] + l[10]) + (l[6] + l[14]))) +
			(((l[1] + l[9]) + (l[5] + l[13])) + ((l[3] + l[11]) + (l[7] + l[15])))
		if !sameBits(got, want) {
			t.Errorf("Dot of %d values = %g, want %g", n, got, want)
		}
		if math.Abs(float64(got)-exact) > float64(n/16+5)*0x1p-24*size {
			t.Errorf("Dot of %d values = %g, exactly %g", n, got, exact)
		}
	}
}

// All kernels of this machine give the bits of the portable ones.
func TestVectorKernels(t *testing.T) {
	for _, k := range available() {
		r := rand.New(rand.NewPCG(4, 5))
		for n := range 100 {
			for kind := range 3 {
				x, y, z := floats(r, n, kind), floats(r, n, kind), floats(r, n, kind)
				same := func(name string, got, want []float32) {
					t.Helper()
					for i := range want {
						if !sameBits(got[i], want[i]) {
							t.Fatalf("%s: %s of %d values: [%d] = %x, want %x", k.name, name, n, i, got[i], want[i])
						}
					}
				}
				same("dot", []float32{k.dot(x, y)}, []float32{dot(x, y)})
				// a guard behind the end shows writes beyond it
				got, want := append(append([]float32{}, y...), 7), append(append([]float32{}, y...), 7)
				k.siluMul(got[:n], x, z)
				siluMul(want[:n], x, z)
				same("siluMul", got, want)
				if kind == 1 { // within the range of Exp and a little beyond
					for i := range x {
						x[i] = float32(math.Mod(float64(x[i]), 110))
					}
				}
				k.expSlice(got[:n], x)
				expSlice(want[:n], x)
				same("expSlice", got, want)
			}
		}
	}
}

func TestSiLUMul(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 7))
	gate, up := floats(r, 1000, 1), floats(r, 1000, 0)
	dst := make([]float32, 1000)
	SiLUMul(dst, gate, up)
	for i, got := range dst {
		g := float64(gate[i])
		want := g / (1 + math.Exp(-g)) * float64(up[i])
		if math.Abs(float64(got)-want) > 0x1p-21*math.Abs(want)+0x1p-121*math.Abs(float64(up[i])) { // 0 where Exp(-g) is infinite
			t.Errorf("SiLUMul(%g, %g) = %g, want %g", gate[i], up[i], got, want)
		}
	}
}

// What works on a layer's vectors gives the bits of plain formulas on every kernel.
func TestRMSNorm(t *testing.T) {
	for _, kern := range available() {
		use(t, kern)
		r := rand.New(rand.NewPCG(6, 8))
		for n := 1; n < 100; n++ {
			x, w := withSentinel(floats(r, n, n%3)), floats(r, n, 0)
			var l lanes
			l.add(x[:n], x[:n])
			scale := float32(1 / math.Sqrt(float64(l.sum()/float32(n)+1e-6)))
			want := slices.Clone(x)
			for i := range n {
				want[i] = float32(x[i]*scale) * w[i]
			}
			RMSNorm(x[:n], x[:n], w, 1e-6)
			compare(t, x, want)
		}
	}
}

func TestRotate(t *testing.T) {
	for _, kern := range available() {
		use(t, kern)
		r := rand.New(rand.NewPCG(6, 9))
		for n := range 70 {
			x, cos, sin := withSentinel(floats(r, 2*n, n%3)), floats(r, n, 0), floats(r, n, 0)
			want := slices.Clone(x)
			for i := range n {
				want[i] = float32(x[i]*cos[i]) - float32(x[n+i]*sin[i])
				want[n+i] = float32(x[n+i]*cos[i]) + float32(x[i]*sin[i])
			}
			Rotate(x[:2*n], cos, sin)
			compare(t, x, want)
		}
	}
}

// The kernels that quantize for a cache give the bytes of the plain functions, whatever they are given.
func TestQuantizeKernels(t *testing.T) {
	for _, kern := range available() {
		r := rand.New(rand.NewPCG(6, 10))
		for i := range 3000 {
			n := r.IntN(80)
			x := floats(r, n, i%3)
			got := bytes.Repeat([]byte{7}, 2*n+1)
			want := slices.Clone(got)
			kern.toF16(got[:2*n], x)
			toF16(want[:2*n], x)
			if !bytes.Equal(got, want) {
				t.Fatalf("%s: f16 of %x: %x, want %x", kern.name, x, got, want)
			}

			blocks := r.IntN(4)
			x = floats(r, blocks*elemsQ8_0, i%3)
			for j := range x {
				switch {
				case i%4 == 1: // halves, which are rounded away from zero
					x[j] = float32(r.IntN(255)-127) / 2
				case i%4 == 2 && j%elemsQ8_0 == 0: // and beside them
					x[j] = 127
				case i%4 == 2:
					x[j] = math.Nextafter32(float32(r.IntN(255)-127)/2, float32(r.IntN(3)-1))
				case i%4 == 3: // subnormal scales, and those without an inverse
					x[j] *= 0x1p-120
				}
			}
			got = bytes.Repeat([]byte{7}, blocks*bytesQ8_0+1)
			want = slices.Clone(got)
			kern.quantizeQ8_0(got[:len(got)-1], x)
			quantizeBlocksQ8_0(want[:len(want)-1], x)
			if !bytes.Equal(got, want) {
				t.Fatalf("%s: q8_0 of %x: %x, want %x", kern.name, x, got, want)
			}
		}
	}
}

func TestArgMax(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, kern := range available() {
		use(t, kern)
		r := rand.New(rand.NewPCG(6, 11))
		for n := range 100 {
			for range 20 {
				x := make([]float32, n)
				for i := range x {
					x[i] = []float32{-inf, nan, 0, float32(math.Copysign(0, -1)), -1, 1, inf}[r.IntN(2+n%6)]
				}
				want := 0
				for i := range x {
					if x[i] > x[want] || x[want] != x[want] && x[i] > -inf {
						want = i
					}
				}
				if len(x) > 0 && x[want] != x[want] {
					want = 0
				}
				if got := ArgMax(x); got != want {
					t.Fatalf("%s: ArgMax(%v) = %d, want %d", kern.name, x, got, want)
				}
			}
		}
	}
}

func TestSumExp(t *testing.T) {
	for _, kern := range available() {
		use(t, kern)
		r := rand.New(rand.NewPCG(6, 12))
		for n := range 100 {
			x := floats(r, n, 0)
			shift := r.Float32()
			var l lanes
			for i, v := range x {
				l[i%16] += Exp(v - shift)
			}
			compare(t, []float32{SumExp(x, shift)}, []float32{l.sum()})
		}
	}
}
