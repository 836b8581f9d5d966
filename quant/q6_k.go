package quant

import "encoding/binary"

// A q6_k block is 210 bytes, 256 values x[i] = d * scale[i/16] * (q[i] - 32). Its two halves of 128 values have
// the same layout, each with 64 bytes of low, 32 of high and 8 of scale:
//
//	0     low    128 bytes: for i < 64, byte i of a half holds the low 4 bits of q[i] and, above them, of q[64+i]
//	128   high   64 bytes: for i < 32, byte i of a half holds the high 2 bits of q[i], q[32+i], q[64+i], q[96+i]
//	192   scale  16 x int8
//	208   d      float16
const bytesQ6K = 210

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
