package quant

import (
	"encoding/binary"
	"math"
)

// A q6_k block is 210 bytes, 256 values x[i] = d * scale[i/16] * (q[i] - 32). Its two halves of 128 values have
// the same layout, each with 64 bytes of low, 32 of high and 8 of scale:
//
//	0     low    128 bytes: for i < 64, byte i of a half holds the low 4 bits of q[i] and, above them, of q[64+i]
//	128   high   64 bytes: for i < 32, byte i of a half holds the high 2 bits of q[i], q[32+i], q[64+i], q[96+i]
//	192   scale  16 x int8
//	208   d      float16
const bytesQ6K = 210

// maxQ6K is the largest magnitude that a block can hold.
const maxQ6K = 32 * 128 * maxF16

func quantizeQ6K(dst []byte, src []float32) {
	var buf [superBlock]float32
	for ; len(src) > 0; dst, src = dst[bytesQ6K:], src[superBlock:] {
		x, _ := bounded(buf[:], src[:superBlock], maxQ6K)
		var groups [superBlock / scaledLen]scaledGroup
		var scales, curvatures [superBlock / scaledLen]float64
		for j := range groups {
			g := &groups[j]
			g.load(x[scaledLen*j:][:scaledLen])
			g.search()
			scales[j], curvatures[j] = g.scale, g.curvature
		}
		h := commonStep(scales[:], curvatures[:], -128, 127)
		d := float64(F16ToF32(h))
		var q [superBlock]byte
		for j := range groups {
			g := &groups[j]
			scale := g.round(d)
			dst[192+j] = byte(scale)
			g.quantize(q[scaledLen*j:][:scaledLen], inverse(d*float64(scale)))
		}
		binary.LittleEndian.PutUint16(dst[208:], h)
		for half := range 2 {
			q := q[128*half:][:128]
			low, high := dst[64*half:][:64], dst[128+32*half:][:32]
			for i := range high {
				q0, q1, q2, q3 := q[i], q[32+i], q[64+i], q[96+i]
				low[i] = q0&15 | q2<<4
				low[32+i] = q1&15 | q3<<4
				high[i] = q0>>4 | q1>>4<<2 | q2>>4<<4 | q3>>4<<6
			}
		}
	}
}

func dequantizeQ6K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[superBlock:], src[bytesQ6K:] {
		d := F16ToF32(binary.LittleEndian.Uint16(src[208:]))
		var scale [16]float32
		for i := range scale {
			scale[i] = d * float32(int8(src[192+i]))
		}
		for half := range 2 {
			x := dst[128*half:][:128]
			low, high := src[64*half:][:64], src[128+32*half:][:32]
			s := scale[8*half:][:8]
			for i, h := range high {
				a, b := low[i], low[32+i]
				x[i] = s[i/16] * float32(int32(a&15|h&3<<4)-32)
				x[32+i] = s[2+i/16] * float32(int32(b&15|h>>2&3<<4)-32)
				x[64+i] = s[4+i/16] * float32(int32(a>>4|h>>4&3<<4)-32)
				x[96+i] = s[6+i/16] * float32(int32(b>>4|h>>6<<4)-32)
			}
		}
	}
}

const scaledLen = 16

// A group of 16 values in q6_k is x = scale*q with q from -32 to 31. Its error is the sum of w * (x - scale*q)^2.
// The weights are w = |x|: with ggml's x^2 (make_qx_quants in ggml-quants.c) even the error weighted by x^2 is
// no smaller in the end, and the plain error is larger. See affineGroup for the method.
type scaledGroup struct {
	x, w, wx [scaledLen]float64
	top      float64 // the value of largest magnitude

	scale, gain, curvature float64 // as in affineGroup
}

func (g *scaledGroup) load(x []float32) {
	for i, v := range x {
		v := float64(v)
		g.x[i], g.w[i] = v, math.Abs(v)
		g.wx[i] = g.w[i] * v
		if g.w[i] > math.Abs(g.top) {
			g.top = v
		}
	}
}

// search finds the best scale: it tries a few q for the value of largest magnitude, solving for the scale that
// fits the q of all values, then the q that the best of these scales gives.
func (g *scaledGroup) search() {
	if g.top == 0 {
		return
	}
	for q := -33.0; q <= -30; q += 0.5 {
		g.try(q / g.top)
	}
	for range 2 {
		before := g.gain
		if g.try(1 / g.scale); g.gain == before {
			break
		}
	}
}

func (g *scaledGroup) try(inv float64) {
	sqq, sxq := g.moments(inv)
	if sqq == 0 {
		return
	}
	scale := sxq / sqq
	if gain := scale * sxq; gain > g.gain {
		g.scale, g.gain, g.curvature = scale, gain, sqq
	}
}

// moments returns the weighted sums of q*q and x*q for q = x*inv rounded and cut to -32..31.
func (g *scaledGroup) moments(inv float64) (sqq, sxq float64) {
	for i, v := range &g.x {
		q := nearest(v * inv)
		if q < -32 {
			q = -32
		}
		if q > 31 {
			q = 31
		}
		sqq += float64(g.w[i] * q * q)
		sxq += float64(g.wx[i] * q)
	}
	return sqq, sxq
}

// round returns the multiple of d that fits best near the best scale.
func (g *scaledGroup) round(d float64) (scale int8) {
	near := max(-128, min(nearest(g.scale*inverse(d)), 127))
	least := math.Inf(1)
	for k := max(-128, near-1); k <= near+1 && k <= 127; k++ {
		s := d * k
		sqq, sxq := g.moments(inverse(s))
		// the sum of w * (x - s*q)^2 less that of w * x^2
		if e := s * (float64(s*sqq) - 2*sxq); e < least {
			least, scale = e, int8(k)
		}
	}
	return scale
}

func (g *scaledGroup) quantize(q []byte, inv float64) {
	for i, v := range &g.x {
		q[i] = byte(32 + max(-32, min(31, int(nearest(v*inv)))))
	}
}
