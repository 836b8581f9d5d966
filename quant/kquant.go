package quant

import "math"

// superBlock is the number of values in a block of the k types.
const superBlock = 256

// scalesMins is the 12-byte field of q4_k and q5_k that holds 8 scales and 8 minimums of 6 bits each: for
// j < 4, byte j holds scale j and byte 4+j minimum j in its low 6 bits; byte 8+j holds the low 4 bits of scale
// 4+j and, above them, of minimum 4+j, whose high 2 bits are on top of bytes j and 4+j.
type scalesMins [12]byte

func (p *scalesMins) get(j int) (scale, min byte) {
	if j < 4 {
		return p[j] & 63, p[4+j] & 63
	}
	return p[4+j]&15 | p[j-4]>>6<<4, p[4+j]>>4 | p[j]>>6<<4
}

func packScalesMins(scales, mins *[8]byte) (p scalesMins) {
	for j := range 4 {
		p[j] = scales[j] | scales[4+j]>>4<<6
		p[4+j] = mins[j] | mins[4+j]>>4<<6
		p[8+j] = scales[4+j]&15 | mins[4+j]<<4
	}
	return p
}

// commonStep returns the float16 number d whose multiples lo*d to hi*d come nearest to v, deviations being
// squared and weighted. The v of largest magnitude is tried as each of the 16 last multiples at the longer end.
func commonStep(v, weight []float64, lo, hi float64) uint16 {
	var top float64
	for _, s := range v {
		if math.Abs(s) > math.Abs(top) {
			top = s
		}
	}
	end := hi
	if lo < -hi {
		end = lo
	}
	var best uint16
	least := math.Inf(1)
	for i := range 16 {
		h := awayF16(top / (end - math.Copysign(float64(i), end)))
		d := float64(F16ToF32(h))
		inv := inverse(d)
		var e float64
		for j, s := range v {
			r := s - float64(d*max(lo, min(nearest(s*inv), hi)))
			e += float64(weight[j] * r * r)
		}
		if e < least {
			least, best = e, h
		}
	}
	return best
}

// awayF16 rounds to float16, away from zero but to no infinity.
func awayF16(v float64) uint16 {
	h := F32ToF16(float32(v))
	if math.Abs(float64(F16ToF32(h))) < math.Abs(v) {
		h++
	}
	return h&0x8000 | min(h&0x7fff, 0x7bff)
}

// nearest rounds to an integer, ties to even: beside 3 * 2^51 a float64 has no fraction bits. Magnitudes of
// 2^51 and above may be off by a few.
func nearest(v float64) float64 {
	const big = 3 << 51
	return float64(v) + big - big // the conversion keeps a product from being fused
}
