package quant

import "math"

// maxF16 is the largest finite binary16 value.
const maxF16 = 65504

// F16ToF32 converts an IEEE 754 binary16 value. Every value is exact; a NaN keeps its sign and payload.
func F16ToF32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp := uint32(h>>10) & 31
	frac := uint32(h) & 0x3ff
	switch exp {
	case 0: // zero and subnormals: frac * 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	case 31: // infinities and NaNs
		exp = 255 - 112
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// F32ToF16 rounds to IEEE 754 binary16, to nearest, ties to even. Magnitudes of 65520 and above become
// infinite; a NaN becomes a quiet NaN of the same sign and keeps the upper bits of its payload.
func F32ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN
		return sign | 0x7e00 | uint16(b>>13)&0x3ff
	case b >= 0x47800000: // 2^16 and above
		return sign | 0x7c00
	case b < 0x38800000: // below 2^-14: beside 0.5 the last bit of a float32 weighs 2^-24, as in a subnormal
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	}
	b += 0xfff + b>>13&1 // a carry out of the fraction raises the exponent, as it should
	return sign | uint16((b-112<<23)>>13)
}

// BF16ToF32 converts a bfloat16 value: the upper half of a float32.
func BF16ToF32(h uint16) float32 {
	return math.Float32frombits(uint32(h) << 16)
}

// F32ToBF16 rounds to bfloat16, to nearest, ties to even; a NaN becomes a quiet NaN and keeps the upper bits
// of its payload.
func F32ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
