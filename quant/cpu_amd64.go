package quant

import (
	"golang.org/x/sys/cpu"

	"orthrus/gguf"
)

// available returns the kernels that this machine can run, fastest first.
func available() []*kernels {
	x := &cpu.X86
	all := []*kernels{&portable}
	if !x.HasAVX2 || !x.HasFMA || !x.HasF16C {
		return all
	}
	all = append([]*kernels{avx2.kernels("avx2")}, all...)
	if x.HasAVXVNNI {
		all = append([]*kernels{avxvnni.kernels("avxvnni")}, all...)
	}
	if x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX512VNNI {
		all = append([]*kernels{avx512.kernels("avx512")}, all...)
	}
	return all
}

var avx2 = simd{
	lanes:   8,
	columns: 3,
	quantized: [...]quantKernels{
		gguf.Q8_0: {unpackQ8_0AVX2, mulQ8_0AVX2, rowQ8_0AVX2},
		gguf.Q4_0: {unpackQ4_0AVX2, mulQ4_0AVX2, nil},
		gguf.Q4_K: {unpackQ4KAVX2, mulQ4KAVX2, rowQ4KAVX2},
		gguf.Q5_K: {unpackQ5KAVX2, mulQ5KAVX2, rowQ5KAVX2},
		gguf.Q6_K: {unpackQ6KAVX2, mulQ6KAVX2, rowQ6KAVX2},
	},
	storeTile: storeTileAVX2,
	mulFloat: [...][]mulFloat{
		gguf.F32:  {mulF32x1AVX2, mulF32x2AVX2},
		gguf.F16:  {mulF16x1AVX2, mulF16x2AVX2},
		gguf.BF16: {mulBF16x1AVX2, mulBF16x2AVX2},
	},
	vectors: vectors{
		dot: dotAVX2, expSlice: expSliceAVX2, siluMul: siluMulAVX2, read: readAVX2,
		keyDotsQ8_0: []keyDots{keyDotsQ8_0x1AVX2, keyDotsQ8_0x2AVX2, keyDotsQ8_0x3AVX2, keyDotsQ8_0x4AVX2, keyDotsQ8_0x5AVX2},
		axpyRows: [...][]axpyRows{
			gguf.F32:  {axpyRowsF32x1AVX2, axpyRowsF32x2AVX2, axpyRowsF32x3AVX2, axpyRowsF32x4AVX2},
			gguf.F16:  {axpyRowsF16x1AVX2, axpyRowsF16x2AVX2, axpyRowsF16x3AVX2, axpyRowsF16x4AVX2},
			gguf.Q8_0: {axpyRowsQ8_0x1AVX2, axpyRowsQ8_0x2AVX2},
		},
		axpyColumns: []int{64, 32, 16, 16},
		softmax:     softmaxAVX2, scaleAXPY: scaleAXPYAVX2,
		scaleMul: scaleMulAVX2, rotate: rotateAVX2, toF16: toF16AVX2, quantizeQ8_0: quantizeQ8_0AVX2,
		argMax: argMaxAVX2, sumExp: sumExpAVX2,
	},
	multiply: multiplyAVX2,
}

// AVX-VNNI has its own kernels for quantized products.
var avxvnni = simd{
	lanes:   8,
	columns: 3,
	quantized: [...]quantKernels{
		gguf.Q8_0: {unpackQ8_0AVXVNNI, mul32AVXVNNI, rowQ8_0AVXVNNI},
		gguf.Q4_0: {unpackQ4_0AVXVNNI, mul32AVXVNNI, nil},
		gguf.Q4_K: {unpackQ4KAVXVNNI, mulQ45KAVXVNNI, rowQ4KAVXVNNI},
		gguf.Q5_K: {unpackQ5KAVXVNNI, mulQ45KAVXVNNI, rowQ5KAVXVNNI},
		gguf.Q6_K: {unpackQ6KAVXVNNI, mulQ6KAVXVNNI, rowQ6KAVXVNNI},
	},
	storeTile: avx2.storeTile,
	mulFloat:  avx2.mulFloat,
	vectors:   avx2.vectors,
	multiply:  multiplyAVXVNNI,
}

var avx512 = simd{
	lanes:   16,
	columns: 8,
	quantized: [...]quantKernels{
		gguf.Q8_0: {unpackQ8_0AVX512, mul32AVX512, rowQ8_0AVX512},
		gguf.Q4_0: {unpackQ4_0AVX512, mul32AVX512, nil},
		gguf.Q4_K: {unpackQ4KAVX512, mulQ45KAVX512, rowQ4KAVX512},
		gguf.Q5_K: {unpackQ5KAVX512, mulQ45KAVX512, rowQ5KAVX512},
		gguf.Q6_K: {unpackQ6KAVX512, mulQ6KAVX512, rowQ6KAVX512},
	},
	storeTile: storeTileAVX512,
	mulFloat: [...][]mulFloat{
		gguf.F32:  {mulF32x1AVX512, mulF32x2AVX512, mulF32x3AVX512, mulF32x4AVX512},
		gguf.F16:  {mulF16x1AVX512, mulF16x2AVX512, mulF16x3AVX512, mulF16x4AVX512},
		gguf.BF16: {mulBF16x1AVX512, mulBF16x2AVX512, mulBF16x3AVX512, mulBF16x4AVX512},
	},
	vectors: vectors{
		dot: dotAVX512, expSlice: expSliceAVX512, siluMul: siluMulAVX512, read: readAVX512,
		keyDotsQ8_0: []keyDots{keyDotsQ8_0x1AVX512, keyDotsQ8_0x2AVX512, keyDotsQ8_0x3AVX512, keyDotsQ8_0x4AVX512, keyDotsQ8_0x5AVX512},
		axpyRows: [...][]axpyRows{
			gguf.F32:  {axpyRowsF32x1AVX512, axpyRowsF32x2AVX512, axpyRowsF32x3AVX512, axpyRowsF32x4AVX512, axpyRowsF32x5AVX512, axpyRowsF32x6AVX512},
			gguf.F16:  {axpyRowsF16x1AVX512, axpyRowsF16x2AVX512, axpyRowsF16x3AVX512, axpyRowsF16x4AVX512, axpyRowsF16x5AVX512, axpyRowsF16x6AVX512},
			gguf.Q8_0: {axpyRowsQ8_0x1AVX512, axpyRowsQ8_0x2AVX512, axpyRowsQ8_0x3AVX512, axpyRowsQ8_0x4AVX512, axpyRowsQ8_0x5AVX512, axpyRowsQ8_0x6AVX512},
		},
		axpyColumns: []int{128, 128, 128, 64, 64, 64},
		softmax:     softmaxAVX512, scaleAXPY: scaleAXPYAVX512,
		scaleMul: scaleMulAVX512, rotate: rotateAVX512, toF16: toF16AVX512, quantizeQ8_0: quantizeQ8_0AVX512,
		argMax: argMaxAVX512, sumExp: sumExpAVX512,
	},
	multiply: multiplyAVX512,
}
