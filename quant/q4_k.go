package quant

import "encoding/binary"

// A q4_k block is 144 bytes, 256 values x[i] = d * scale[i/32] * q[i] - dmin * min[i/32]:
//
//	0    d      float16
//	2    dmin   float16
//	4    scale, min   12 bytes, see scalesMins
//	16   q      128 bytes: byte 32*j+i holds q[64*j+i] in its low and q[64*j+32+i] in its high half
const bytesQ4K = 144

func quantizeQ4K(dst []byte, src []float32) {
	var buf [superBlock]float32
	var b affineBlock
	for ; len(src) > 0; dst, src = dst[bytesQ4K:], src[superBlock:] {
		x, _ := bounded(buf[:], src[:superBlock], maxAffine)
		b.fit(x, 15)
		b.putHeader(dst)
		for j := range 4 {
			lo, hi := b.q[64*j:][:32], b.q[64*j+32:][:32]
			out := dst[16+32*j:][:32]
			for i := range out {
				out[i] = lo[i] | hi[i]<<4
			}
		}
	}
}

func dequantizeQ4K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[superBlock:], src[bytesQ4K:] {
		d := F16ToF32(binary.LittleEndian.Uint16(src))
		dmin := F16ToF32(binary.LittleEndian.Uint16(src[2:]))
		packed := scalesMins(src[4:])
		for j := range 4 {
			s0, m0 := packed.get(2 * j)
			s1, m1 := packed.get(2*j + 1)
			d0, d1 := d*float32(s0), d*float32(s1)
			min0, min1 := dmin*float32(m0), dmin*float32(m1)
			lo, hi := dst[64*j:][:32], dst[64*j+32:][:32]
			// The products have at most 22 bits: exact, so that a fused subtraction gives the same values.
			for i, q := range src[16+32*j:][:32] {
				lo[i] = d0*float32(q&15) - min0
				hi[i] = d1*float32(q>>4) - min1
			}
		}
	}
}
