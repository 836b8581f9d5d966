package quant

import (
	"runtime"

	"golang.org/x/sys/cpu"

	"orthrus/gguf"
)

// available returns the kernels that this machine can run, fastest first.
func available() []*kernels {
	all := []*kernels{&portable}
	// All of Apple's processors for the Mac have FEAT_DotProd, which the oldest systems do not tell.
	if !cpu.ARM64.HasASIMDDP && runtime.GOOS != "darwin" {
		return all
	}
	all = append([]*kernels{dotprod.kernels("dotprod")}, all...)
	if hasI8MM() {
		all = append([]*kernels{i8mm.kernels("i8mm")}, all...)
	}
	return all
}

var neon = vectors{
	dot: dotNEON, expSlice: expSliceNEON, siluMul: siluMulNEON, read: readNEON,
	axpyRows: [...][]axpyRows{
		gguf.F32:  {axpyRowsF32x1NEON, axpyRowsF32x2NEON, axpyRowsF32x3NEON, axpyRowsF32x4NEON},
		gguf.F16:  {axpyRowsF16x1NEON, axpyRowsF16x2NEON, axpyRowsF16x3NEON, axpyRowsF16x4NEON},
		gguf.Q8_0: nil,
	},
	axpyColumns: []int{64, 32, 16, 16},
}

var mulFloatNEON = [...][3]mulFloat{
	gguf.F32:  {mulF32x1NEON, mulF32x2NEON, mulF32x3NEON},
	gguf.F16:  {mulF16x1NEON, mulF16x2NEON, mulF16x3NEON},
	gguf.BF16: {mulBF16x1NEON, mulBF16x2NEON, mulBF16x3NEON},
}

var dotprod = simd{
	vectors:  neon,
	mulFloat: mulFloatNEON,
	quantized: [...]quantKernels{
		gguf.Q8_0: {unpackQ8_0DotProd, mul32DotProd, rowQ8_0DotProd},
		gguf.Q4_0: {unpackQ4_0DotProd, mul32DotProd, rowQ4_0DotProd},
		gguf.Q4_K: {unpackQ4KDotProd, mulQ45KDotProd, rowQ4KDotProd},
		gguf.Q5_K: {unpackQ5KDotProd, mulQ45KDotProd, rowQ5KDotProd},
		gguf.Q6_K: {unpackQ6KDotProd, mulQ6KDotProd, rowQ6KDotProd},
	},
	storeTile: storeTileDotProd,
	multiply:  multiplyDotProd, multiplyAdds: 16 * 16,
}

// i8mm shares the kernels for a single activation row, where SMMLA would do half of its work for nothing.
var i8mm = simd{
	vectors:  neon,
	mulFloat: mulFloatNEON,
	quantized: [...]quantKernels{
		gguf.Q8_0: {unpackQ8_0I8MM, mul32I8MM, rowQ8_0DotProd},
		gguf.Q4_0: {unpackQ4_0I8MM, mul32I8MM, rowQ4_0DotProd},
		gguf.Q4_K: {unpackQ4KI8MM, mulQ45KI8MM, rowQ4KDotProd},
		gguf.Q5_K: {unpackQ5KI8MM, mulQ45KI8MM, rowQ5KDotProd},
		gguf.Q6_K: {unpackQ6KI8MM, mulQ6KI8MM, rowQ6KDotProd},
	},
	pairs:     true,
	storeTile: storeTileI8MM,
	multiply:  multiplyI8MM, multiplyAdds: 16 * 32,
}
