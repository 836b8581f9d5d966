package quant

import "math"

// FMA returns x*y + z rounded once, the fusedMultiplyAdd of IEEE 754 binary32, subnormal results included.
//
// The product of two float32 is exact in float64. Their sum with z is rounded there and again by the
// conversion, which is wrong only where the first rounding lands on a midpoint of two float32. Such sums are
// corrected by fmaOdd.
func FMA(x, y, z float32) float32 {
	p := float64(float64(x) * float64(y))
	s := p + float64(z)
	const minNormal = (1023 - 126) << 52 // of float32
	if b := math.Float64bits(s); b&(1<<29-1) == 1<<28 || b<<1 < minNormal<<1 {
		return fmaOdd(p, float64(z), s)
	}
	return float32(s)
}

// fmaOdd rounds p+z to float32 by way of round-to-odd; s is the sum in float64. A float64 rounded to odd lies
// on the same side of every float32 midpoint as the exact sum (Boldo and Melquiond, "Emulation of a FMA and
// correctly rounded sums: proved algorithms using rounding to odd", 2008).
//
//go:noinline
func fmaOdd(p, z, s float64) float32 {
	t := s - p
	e := (p - (s - t)) + (z - t) // the exact error of s: Knuth's TwoSum
	if b := math.Float64bits(s); e != 0 && b&1 == 0 {
		if (e > 0) == (s > 0) {
			b++
		} else {
			b--
		}
		s = math.Float64frombits(b)
	}
	return float32(s)
}
