package quant

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

func (p *scalesMins) pack(scales, mins *[8]byte) {
	for j := range 4 {
		p[j] = scales[j] | scales[4+j]>>4<<6
		p[4+j] = mins[j] | mins[4+j]>>4<<6
		p[8+j] = scales[4+j]&15 | mins[4+j]<<4
	}
}
