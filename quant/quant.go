// Package quant holds the number formats of weights: their layouts, conversion from and to float32, and the
// matrix products that work on them directly.
//
// The formats are ggml's, bit for bit (ggml-common.h, ggml-quants.c), so that a tensor can be read and written
// by any GGUF program. A row of k values is a sequence of blocks; all integers are little-endian.
//
//	f32, f16, bf16    1 value in 4, 2, 2 bytes
//	q8_0, q4_0        32 values in 34, 18 bytes: one scale a block
//	q4_k, q5_k        256 values in 144, 176 bytes: a scale and a minimum for every 32, themselves quantized
//	q6_k              256 values in 210 bytes: a scale for every 16, itself quantized
//
// Quantize gives the same bytes on every machine. Values beyond the range of a block format are cut to it,
// infinities included, and NaNs become 0, so that one bad value does not spoil its block; f32, f16 and bf16
// keep both.
package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"orthrus/gguf"
)

// format converts whole rows; both slices are whole blocks and fit each other.
type format struct {
	quantize   func(dst []byte, src []float32)
	dequantize func(dst []float32, src []byte)
}

var formats = [...]format{
	gguf.F32:  {quantizeF32, dequantizeF32},
	gguf.F16:  {quantizeF16, dequantizeF16},
	gguf.BF16: {quantizeBF16, dequantizeBF16},
	gguf.Q8_0: {quantizeQ8_0, dequantizeQ8_0},
	gguf.Q4_0: {quantizeQ4_0, dequantizeQ4_0},
	gguf.Q4_K: {quantizeQ4K, dequantizeQ4K},
	gguf.Q5_K: {quantizeQ5K, dequantizeQ5K},
	gguf.Q6_K: {quantizeQ6K, dequantizeQ6K},
}

// Supported reports whether weights of type t can be converted and multiplied.
func Supported(t gguf.Type) bool {
	return int64(t) < int64(len(formats)) && formats[t].quantize != nil
}

// Fallback returns the type for rows of k values where t was asked for: t itself if k is a multiple of its
// block, else the nearest supported type that fits and is no less accurate: q8_0 for the k types, f16 for the
// rest and for a k that is no multiple of 32.
//
// llama.cpp's quantizer (tensor_type_fallback in llama-quant.cpp) takes q5_0 for q4_k, q5_1 for q5_k and q8_0
// for q6_k, then f16; it refuses q8_0 and q4_0 rows that do not fit. q5_0 and q5_1 are not supported here, so
// that such a row is a little larger and more accurate than there.
func Fallback(t gguf.Type, k int) gguf.Type {
	mustSupport(t)
	elems, _ := t.Block()
	switch {
	case k%elems == 0:
		return t
	case elems == superBlock && k%elemsQ8_0 == 0:
		return gguf.Q8_0
	}
	return gguf.F16
}

// Quantize converts src, one or more whole rows, to type t. dst is exactly as long as the result. It panics
// if t is not supported or the lengths do not fit. Different rows may be converted concurrently.
func Quantize(t gguf.Type, dst []byte, src []float32) {
	mustFit(t, len(src), len(dst))
	formats[t].quantize(dst, src)
}

// Dequantize converts src, one or more whole rows of type t, to float32. dst is exactly as long as the result.
// It panics if t is not supported or the lengths do not fit; any content of src is valid.
func Dequantize(t gguf.Type, dst []float32, src []byte) {
	mustFit(t, len(dst), len(src))
	formats[t].dequantize(dst, src)
}

func mustSupport(t gguf.Type) {
	if !Supported(t) {
		panic(fmt.Sprintf("quant: %v is not supported", t))
	}
}

func mustFit(t gguf.Type, elems, bytes int) {
	mustSupport(t)
	be, bb := t.Block()
	if elems%be != 0 || bytes%bb != 0 || elems/be != bytes/bb {
		panic(fmt.Sprintf("quant: %d values do not fill %d bytes of %v (%d values in %d bytes)", elems, bytes, t, be, bb))
	}
}

// bounded returns x and the largest magnitude in it, provided that is at most limit. Otherwise it returns a
// copy in buf where NaNs are 0 and larger values are cut to limit.
func bounded(buf, x []float32, limit float32) ([]float32, float32) {
	if a := maxAbs(x); a <= limit {
		return x, a
	}
	for i, v := range x {
		if v != v {
			v = 0
		}
		buf[i] = max(-limit, min(v, limit))
	}
	return buf, maxAbs(buf)
}

// maxAbs returns the largest magnitude in x, NaN if there is one. Without its sign bit a float32 orders like
// an integer, NaNs above infinity.
func maxAbs(x []float32) float32 {
	var m uint32
	for _, v := range x {
		m = max(m, math.Float32bits(v)&0x7fffffff)
	}
	return math.Float32frombits(m)
}

// inverse returns 1/d, or 0 where that is beyond float32.
func inverse[F float32 | float64](d F) F {
	if r := 1 / d; r >= -math.MaxFloat32 && r <= math.MaxFloat32 {
		return r
	}
	return 0
}

func quantizeF32(dst []byte, src []float32) {
	for i, v := range src {
		binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(v))
	}
}

func dequantizeF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}

func quantizeF16(dst []byte, src []float32) { active.toF16(dst, src) }

func toF16(dst []byte, src []float32) {
	for i, v := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], F32ToF16(v))
	}
}

func dequantizeF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = F16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

func quantizeBF16(dst []byte, src []float32) {
	for i, v := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], F32ToBF16(v))
	}
}

func dequantizeBF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = BF16ToF32(binary.LittleEndian.Uint16(src[2*i:]))
	}
}
