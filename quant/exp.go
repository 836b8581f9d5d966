package quant

import "math"

// Constants of Exp, in hexadecimal so that every kernel can name the same bits.
const (
	expMin   = -104 // and below: 0
	expMax   = 89   // and above: +Inf
	expLog2E = 0x1.715476p+0
	expLn2Hi = 0x1.62e43p-1 // short enough for n*expLn2Hi and x - n*expLn2Hi to be exact
	expLn2Lo = -0x1.05c61p-29
	expMagic = 3 << 22 // beside it the last bit of a float32 weighs 1

	// exp(r) = 1 + r + r*r*(expC2 + expC3*r + ...) within 3.1e-9 for |r| <= ln(2)/2: a minimax fit of our own.
	expC2 = 0x1.fffffcp-2
	expC3 = 0x1.555492p-3
	expC4 = 0x1.5558f2p-5
	expC5 = 0x1.1239d4p-7
	expC6 = 0x1.6a244cp-10
)

// Exp returns e to the power x, with an error below 1 unit in the last place (2^-149 for a subnormal result):
// +Inf from 88.72284 up, 0 from -103.972084 down, NaN for NaN. It is the same on every machine.
func Exp(x float32) float32 {
	if x != x {
		return x
	}
	x = min(max(x, expMin), expMax)
	t := FMA(x, expLog2E, expMagic)
	n := t - expMagic // x/ln(2) rounded to an integer
	r := FMA(n, -expLn2Lo, FMA(n, -expLn2Hi, x))
	p := FMA(expC6, r, expC5)
	p = FMA(p, r, expC4)
	p = FMA(p, r, expC3)
	p = FMA(p, r, expC2)
	p = FMA(p, r, 1)
	p = FMA(p, r, 1)
	// p * 2^n in two steps, of which the first is exact.
	e := int32(n)
	h := e >> 1
	return float32(p*pow2(h)) * pow2(e-h)
}

// pow2 returns 2^n for a normal result.
func pow2(n int32) float32 { return math.Float32frombits(uint32(n+127) << 23) }
