package quant

import "encoding/binary"

// A q4_0 block is 18 bytes, 32 values x[i] = d * (q[i] - 8):
//
//	0   d   float16
//	2   q   16 bytes: byte i holds q[i] in its low and q[i+16] in its high half
const (
	elemsQ4_0 = 32
	bytesQ4_0 = 18
)

// quantizeQ4_0 takes the d that maps the value of largest magnitude to q = 0, of which there is one more than
// of its opposite, and rounds halves up, as quantize_row_q4_0_ref does.
func quantizeQ4_0(dst []byte, src []float32) {
	var buf [elemsQ4_0]float32
	for ; len(src) > 0; dst, src = dst[bytesQ4_0:], src[elemsQ4_0:] {
		x, amax := bounded(buf[:], src[:elemsQ4_0], 8*maxF16)
		i := 0
		for x[i] != amax && x[i] != -amax {
			i++
		}
		d := x[i] / -8
		inv := inverse(d)
		binary.LittleEndian.PutUint16(dst, F32ToF16(d))
		quant := func(v float32) byte { return byte(min(15, int32(float32(v*inv)+8.5))) }
		lo, hi := x[:16], x[16:]
		for i := range dst[2:bytesQ4_0] {
			dst[2+i] = quant(lo[i]) | quant(hi[i])<<4
		}
	}
}

func dequantizeQ4_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[elemsQ4_0:], src[bytesQ4_0:] {
		d := F16ToF32(binary.LittleEndian.Uint16(src))
		lo, hi := dst[:16], dst[16:elemsQ4_0]
		for i, q := range src[2:bytesQ4_0] {
			lo[i] = d * float32(int32(q&15)-8)
			hi[i] = d * float32(int32(q>>4)-8)
		}
	}
}
