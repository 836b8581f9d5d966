package quant

import (
	"encoding/binary"
	"math"
)

// A group of 32 values in q4_k and q5_k is x = scale*q - min with q from 0 to qmax and min >= 0. Its error is
// the sum of w * (x - scale*q + min)^2. The weights w = rms(x) + |x| are ggml's: large values matter more.
//
// affineBlock.fit looks for the best scale and min of each group among real numbers, then for the d and dmin whose
// multiples come nearest to those of all groups, then for the best multiples, given d and dmin. As in ggml
// (make_qkx2_quants in ggml-quants.c), the first step tries a few mappings of x to q and solves the normal
// equations for each; trying offsets too, and fitting again once d and dmin are rounded, leaves a smaller error.
//
// Products are converted explicitly so that no compiler fuses them with sums: blocks are the same everywhere.

const affineLen = 32

type affineGroup struct {
	x, w, wx [affineLen]float64
	lo, hi   float64 // least value or 0, greatest value
	sw, sx   float64 // sums of w and w*x
	inv      float64 // 1 / sw

	scale, min float64 // the best fit
	gain       float64 // the error of all zeros less that of the best fit
	curvature  float64 // half the second derivative of that error along scale
}

// affineBlock is a block of q4_k or q5_k, not yet packed.
type affineBlock struct {
	d, dmin    uint16 // float16
	scale, min [superBlock / affineLen]byte
	q          [superBlock]byte
}

// maxAffine is the largest min that a block can hold.
const maxAffine = 63 * maxF16

// fit sets b to the block for the 256 values of x, none of a larger magnitude than maxAffine.
func (b *affineBlock) fit(x []float32, qmax float64) {
	var groups [superBlock / affineLen]affineGroup
	var scales, curvatures, mins, weights [superBlock / affineLen]float64
	for j := range groups {
		g := &groups[j]
		g.load(x[affineLen*j:][:affineLen])
		g.search(qmax)
		scales[j], curvatures[j] = g.scale, g.curvature
		mins[j], weights[j] = g.min, g.sw
	}
	b.d = commonStep(scales[:], curvatures[:], 0, 63)
	b.dmin = commonStep(mins[:], weights[:], 0, 63)
	d, dmin := float64(F16ToF32(b.d)), float64(F16ToF32(b.dmin))
	for j := range groups {
		g := &groups[j]
		b.scale[j], b.min[j] = g.round(d, dmin, qmax)
		inv := inverse(d * float64(b.scale[j]))
		m := dmin * float64(b.min[j]) // of 11 and 6 bits: exact, so that v+m may be fused
		q := b.q[affineLen*j:][:affineLen]
		for i, v := range &g.x {
			q[i] = byte(max(0, min(int(qmax), int(nearest((v+m)*inv)))))
		}
	}
}

// putHeader writes the first 16 bytes of a block, which q4_k and q5_k share.
func (b *affineBlock) putHeader(dst []byte) {
	binary.LittleEndian.PutUint16(dst, b.d)
	binary.LittleEndian.PutUint16(dst[2:], b.dmin)
	packed := packScalesMins(&b.scale, &b.min)
	copy(dst[4:], packed[:])
}

func (g *affineGroup) load(x []float32) {
	var squares float64
	for i, v := range x {
		g.x[i] = float64(v)
		squares += float64(g.x[i] * g.x[i])
	}
	rms := math.Sqrt(squares / affineLen)
	g.hi = g.x[0]
	for i, v := range &g.x {
		if v < g.lo {
			g.lo = v
		}
		if v > g.hi {
			g.hi = v
		}
		g.w[i] = rms + math.Abs(v)
		g.wx[i] = g.w[i] * v
		g.sw += g.w[i]
		g.sx += g.wx[i]
	}
	g.inv = 1 / g.sw
}

// The mappings tried: all values span qmax+stretch steps, and the least of them is at q = shift.
var (
	stretches = [...]float64{-1.5, -0.75, 0, 0.75}
	shifts    = [...]float64{-1. / 3, 0, 1. / 3}
)

// search finds the best scale and min. Values that are all the same and not positive need no scale.
func (g *affineGroup) search(qmax float64) {
	g.min = -g.lo
	if g.hi == g.lo {
		return
	}
	for _, stretch := range stretches {
		inv := (qmax + stretch) / (g.hi - g.lo)
		for _, shift := range shifts {
			g.try(inv, shift/inv-g.lo, qmax)
		}
	}
	for range 2 {
		before := g.gain
		if g.try(1/g.scale, g.min, qmax); g.gain == before {
			break
		}
	}
}

// try maps x to q by inv and off, solves for the scale and min that fit these q best, and keeps them if they
// are the best so far.
func (g *affineGroup) try(inv, off, qmax float64) {
	sq, sqq, sxq := g.moments(inv, off, qmax)
	if sqq == 0 {
		return
	}
	var scale, m, curvature float64
	if det := float64(g.sw*sqq) - float64(sq*sq); det > 1e-9*g.sw*sqq {
		scale = (float64(g.sw*sxq) - float64(g.sx*sq)) / det
		m = (float64(scale*sq) - g.sx) * g.inv
		curvature = det * g.inv
	}
	if m <= 0 { // min cannot help, or should be negative
		scale, m, curvature = sxq/sqq, 0, sqq
	}
	if gain := float64(scale*sxq) - float64(m*g.sx); gain > g.gain {
		g.scale, g.min, g.gain, g.curvature = scale, m, gain, curvature
	}
}

// moments returns the weighted sums of q, q*q and x*q for q = (x+off)*inv rounded and cut to 0..qmax.
func (g *affineGroup) moments(inv, off, qmax float64) (sq, sqq, sxq float64) {
	for i, v := range &g.x {
		q := nearest((v + off) * inv)
		if q < 0 {
			q = 0
		}
		if q > qmax {
			q = qmax
		}
		wq := float64(g.w[i] * q)
		sq += wq
		sqq += float64(wq * q)
		sxq += float64(g.wx[i] * q)
	}
	return sq, sqq, sxq
}

// round returns the multiples of d and dmin, 0 to 63, that fit best near the best scale and min.
func (g *affineGroup) round(d, dmin, qmax float64) (scale, low byte) {
	if g.sw == 0 {
		return 0, 0
	}
	near := nearest(g.scale * inverse(d))
	least := math.Inf(1)
	for k := max(0, near-1); k <= near+1 && k <= 63; k++ {
		s := d * k
		sq, sqq, sxq := g.moments(inverse(s), g.min, qmax)
		n := nearest((float64(s*sq) - g.sx) * g.inv * inverse(dmin))
		n = max(0, min(n, 63))
		m := dmin * n
		// the sum of w * (x - s*q + m)^2 less that of w * x^2
		e := float64(s*(float64(s*sqq)-2*sxq-float64(2*m*sq))) + float64(m*(float64(m*g.sw)+2*g.sx))
		if e < least {
			least, scale, low = e, byte(k), byte(n)
		}
	}
	return scale, low
}
