package quant

import (
	"fmt"
	"math"
)

// Dot returns the dot product of x and y, of equal length, in a fixed order. Sixteen lanes run side by side:
// lane j is the chain of fused multiply-adds over the elements j, j+16, j+32, ... in ascending order, from 0.
// Then the upper half of the lanes is added to the lower half (l[j] += l[j+8]), and so on until one is left.
func Dot(x, y []float32) float32 {
	mustEqual(len(x), len(y))
	return active.dot(x, y)
}

// RMSNorm sets dst[i] = x[i] * s * w[i] with s = 1/sqrt(mean(x*x) + eps), each product rounded. The mean is Dot(x, x)
// over the length, in float32, and the root that of float64, rounded. The slices have the same length; dst may be x.
func RMSNorm(dst, x, w []float32, eps float32) {
	mustEqual(len(dst), len(x))
	mustEqual(len(x), len(w))
	mean := Dot(x, x) / float32(len(x))
	active.scaleMul(dst, x, float32(1/math.Sqrt(float64(mean+eps))), w)
}

// Rotate turns every pair (a, b) = (x[i], x[i+n]) by its angle, n being half of the length of x: a*cos[i] - b*sin[i]
// and b*cos[i] + a*sin[i], each product rounded. cos and sin have n values.
func Rotate(x, cos, sin []float32) {
	mustEqual(len(x), 2*len(cos))
	mustEqual(len(cos), len(sin))
	active.rotate(x, cos, sin)
}

// ExpSlice sets dst[i] = Exp(x[i]). The slices have the same length and may be the same.
func ExpSlice(dst, x []float32) {
	mustEqual(len(dst), len(x))
	active.expSlice(dst, x)
}

// SumExp returns the sum of Exp(x[i] - shift), in the order of Dot.
func SumExp(x []float32, shift float32) float32 { return active.sumExp(x, shift) }

// ArgMax returns the first index of the largest value of x, 0 if none is above -Inf. A NaN is never larger.
func ArgMax(x []float32) int { return active.argMax(x) }

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

func scaleMul(dst, x []float32, scale float32, w []float32) {
	for i, v := range x {
		dst[i] = float32(v*scale) * w[i]
	}
}

func rotate(x, cos, sin []float32) {
	x, y := x[:len(cos)], x[len(cos):]
	for i, c := range cos {
		a, b, s := x[i], y[i], sin[i]
		x[i] = float32(a*c) - float32(b*s)
		y[i] = float32(b*c) + float32(a*s)
	}
}

func argMax(x []float32) int {
	best, at := float32(math.Inf(-1)), 0
	for i, v := range x {
		if v > best {
			best, at = v, i
		}
	}
	return at
}

func sumExp(x []float32, shift float32) float32 {
	var l lanes
	for i, v := range x {
		l[i%len(l)] += Exp(v - shift)
	}
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
