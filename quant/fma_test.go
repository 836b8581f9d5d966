package quant

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// exactFMA is the definition: the exact sum, rounded once.
func exactFMA(x, y, z float32) float32 {
	p, s := new(big.Float).SetPrec(2000), new(big.Float).SetPrec(2000)
	p.Mul(big.NewFloat(float64(x)), big.NewFloat(float64(y)))
	s.Add(p, big.NewFloat(float64(z)))
	if s.Sign() == 0 { // math/big and IEEE 754 differ in the sign of zero
		return float32(float64(x)*float64(y) + float64(z))
	}
	f, _ := s.Float32()
	return f
}

// hardFMA returns operands whose sum is close to a midpoint of two float32, or to the edges of the range.
func hardFMA(r *rand.Rand) (x, y, z float32) {
	bits := func(exp int) float32 {
		frac := r.Uint32() & (1<<23 - 1)
		switch r.IntN(4) { // few bits at either end
		case 0:
			frac &= 7 << 20
		case 1:
			frac |= 0x7ffff0
		case 2:
			frac &= 15
		}
		return math.Float32frombits(uint32(min(max(exp, 0), 254))<<23 | frac | r.Uint32()<<31)
	}
	switch r.IntN(4) {
	case 0: // any operands
		return bits(r.IntN(255)), bits(r.IntN(255)), bits(r.IntN(255))
	case 1: // the product is near the last bit of z
		ez, ex := r.IntN(255), r.IntN(255)
		return bits(ex), bits(ez - 24 - ex + 127 + r.IntN(7) - 3), bits(ez)
	case 2: // z is far below a product that is near a midpoint
		x, y = bits(100+r.IntN(50)), bits(100+r.IntN(50))
		p := float64(x) * float64(y)
		mid := math.Float64frombits(math.Float64bits(p)&^(1<<29-1) | 1<<28)
		z = float32(mid - p)
		if r.IntN(2) == 0 {
			z += bits(r.IntN(60))
		}
		return x, y, z
	default: // subnormal results
		ex := 20 + r.IntN(200)
		return bits(ex), bits(127 - ex + r.IntN(40) - 20), bits(r.IntN(30))
	}
}

func TestFMA(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	slow := 0
	for range 3_000_000 {
		x, y, z := hardFMA(r)
		if s := float64(x)*float64(y) + float64(z); math.Float64bits(s)&(1<<29-1) == 1<<28 {
			slow++
		} else if r.IntN(8) != 0 { // most of the others are easy
			continue
		}
		if got, want := FMA(x, y, z), exactFMA(x, y, z); math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("FMA(%x, %x, %x) = %x, want %x", x, y, z, got, want)
		}
	}
	if slow < 100_000 {
		t.Errorf("only %d sums on a midpoint of float32", slow)
	}
}

func TestFMASpecial(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	zero := float32(0)
	values := []float32{0, -zero, 1, -1, inf, -inf, nan, math.MaxFloat32, -math.MaxFloat32,
		math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 0x1p-126, 0x1.fffffcp-127, 0x1p-75, 0x1p64}
	values[1] = float32(math.Copysign(0, -1))
	for _, x := range values {
		for _, y := range values {
			for _, z := range values {
				got := FMA(x, y, z)
				want := float32(float64(x)*float64(y) + float64(z)) // right for these but for the finite sums
				if s := float64(x) * float64(y); !math.IsInf(s, 0) && s == s && !math.IsInf(float64(z), 0) && z == z {
					want = exactFMA(x, y, z)
				}
				if math.Float32bits(got) != math.Float32bits(want) && (got == got || want == want) {
					t.Errorf("FMA(%g, %g, %g) = %g, want %g", x, y, z, got, want)
				}
			}
		}
	}
}

func BenchmarkFMA(b *testing.B) {
	x := float32(1)
	for b.Loop() {
		x = FMA(x, 0.999, 0.001)
	}
	if x == 0 {
		b.Fatal(x)
	}
}
