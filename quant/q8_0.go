package quant

import (
	"encoding/binary"
	"math"
)

// A q8_0 block is 34 bytes, 32 values x[i] = d * q[i]:
//
//	0   d   float16
//	2   q   32 x int8, -127 to 127
const (
	elemsQ8_0 = 32
	bytesQ8_0 = 34
	maxQ8_0   = 127 * maxF16 // largest value
)

func quantizeQ8_0(dst []byte, src []float32) { active.quantizeQ8_0(dst, src) }

// quantizeBlocksQ8_0 takes d = max|x| / 127 and rounds halves away from zero, as quantize_row_q8_0_ref does.
func quantizeBlocksQ8_0(dst []byte, src []float32) {
	var buf [elemsQ8_0]float32
	for ; len(src) > 0; dst, src = dst[bytesQ8_0:], src[elemsQ8_0:] {
		x, amax := bounded(buf[:], src[:elemsQ8_0], maxQ8_0)
		d := amax / 127
		inv := inverse(d)
		binary.LittleEndian.PutUint16(dst, F32ToF16(d))
		q := dst[2:bytesQ8_0]
		for i, v := range x {
			r := float64(v * inv) // in float64 the sum with a half is exact
			q[i] = byte(int32(r + math.Copysign(0.5, r)))
		}
	}
}

func dequantizeQ8_0(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[elemsQ8_0:], src[bytesQ8_0:] {
		d := F16ToF32(binary.LittleEndian.Uint16(src))
		x := dst[:elemsQ8_0]
		for i, q := range src[2:bytesQ8_0] {
			x[i] = d * float32(int8(q))
		}
	}
}
