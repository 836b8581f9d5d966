package quant

import "encoding/binary"

// A q5_k block is 176 bytes, 256 values x[i] = d * scale[i/32] * q[i] - dmin * min[i/32]:
//
//	0    d      float16
//	2    dmin   float16
//	4    scale, min   12 bytes, see scalesMins
//	16   high   32 bytes: bit j of byte i is bit 4 of q[32*j+i]
//	48   low    128 bytes: the low 4 bits of q, as in q4_k
const bytesQ5K = 176

func quantizeQ5K(dst []byte, src []float32) {
	var buf [superBlock]float32
	var b affineBlock
	for ; len(src) > 0; dst, src = dst[bytesQ5K:], src[superBlock:] {
		x, _ := bounded(buf[:], src[:superBlock], maxAffine)
		b.fit(x, 31)
		b.putHeader(dst)
		high := dst[16:48]
		clear(high)
		for j := range 4 {
			lo, hi := b.q[64*j:][:32], b.q[64*j+32:][:32]
			out := dst[48+32*j:][:32]
			for i := range out {
				out[i] = lo[i]&15 | hi[i]<<4
				high[i] |= (lo[i]>>4 | hi[i]>>4<<1) << (2 * j)
			}
		}
	}
}

func dequantizeQ5K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[superBlock:], src[bytesQ5K:] {
		d := F16ToF32(binary.LittleEndian.Uint16(src))
		dmin := F16ToF32(binary.LittleEndian.Uint16(src[2:]))
		packed := scalesMins(src[4:])
		high := src[16:48]
		for j := range 4 {
			s0, m0 := packed.get(2 * j)
			s1, m1 := packed.get(2*j + 1)
			d0, d1 := d*float32(s0), d*float32(s1)
			min0, min1 := dmin*float32(m0), dmin*float32(m1)
			lo, hi := dst[64*j:][:32], dst[64*j+32:][:32]
			// The products have at most 22 bits: exact, so that a fused subtraction gives the same values.
			for i, q := range src[48+32*j:][:32] {
				h := high[i] >> (2 * j)
				lo[i] = d0*float32(q&15|h&1<<4) - min0
				hi[i] = d1*float32(q>>4|h>>1&1<<4) - min1
			}
		}
	}
}
