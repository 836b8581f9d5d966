package quant

import "fmt"

// Dot returns the dot product of x and y, of equal length, in a fixed order. Sixteen lanes run side by side:
// lane j is the chain of fused multiply-adds over the elements j, j+16, j+32, ... in ascending order, from 0.
// Then the upper half of the lanes is added to the lower half (l[j] += l[j+8]), and so on until one is left.
func Dot(x, y []float32) float32 {
	mustEqual(len(x), len(y))
	return active.dot(x, y)
}

// SumSquares returns Dot(x, x).
func SumSquares(x []float32) float32 { return active.dot(x, x) }

// ExpSlice sets dst[i] = Exp(x[i]). The slices have the same length and may be the same.
func ExpSlice(dst, x []float32) {
	mustEqual(len(dst), len(x))
	active.expSlice(dst, x)
}

// SiLUMul sets dst[i] = silu(gate[i]) * up[i], with silu(g) = g / (1 + Exp(-g)) and every operation rounded to
// float32. The slices have the same length; dst may be one of the others.
func SiLUMul(dst, gate, up []float32) {
	mustEqual(len(dst), len(gate))
	mustEqual(len(dst), len(up))
	active.siluMul(dst, gate, up)
}

func mustEqual(a, b int) {
	if a != b {
		panic(fmt.Sprintf("quant: vectors of %d and %d values", a, b))
	}
}

// lanes are the running sums of a dot product.
type lanes [16]float32

// add continues the chains with the elements of x and those of y beside them. Only the last call for a dot
// product may have a length that is no multiple of 16.
func (l *lanes) add(x, y []float32) {
	y = y[:len(x)]
	for ; len(x) >= 16; x, y = x[16:], y[16:] {
		x, y := (*[16]float32)(x), (*[16]float32)(y)
		for j := range l {
			l[j] = FMA(x[j], y[j], l[j])
		}
	}
	for j := range x {
		l[j] = FMA(x[j], y[j], l[j])
	}
}

func (l lanes) sum() float32 {
	for h := 8; h > 0; h /= 2 {
		for j := range h {
			l[j] += l[j+h]
		}
	}
	return l[0]
}

func dot(x, y []float32) float32 {
	var l lanes
	l.add(x, y)
	return l.sum()
}

func expSlice(dst, x []float32) {
	for i, v := range x {
		dst[i] = Exp(v)
	}
}

func siluMul(dst, gate, up []float32) {
	for i, g := range gate {
		dst[i] = float32(g/(1+Exp(-g))) * up[i]
	}
}
