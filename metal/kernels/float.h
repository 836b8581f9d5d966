// Products of float weights, bit for bit those of quant.Dot: 16 lanes, lane j a chain of fused multiply-adds over the
// elements j, j+16, ...; then halves are added.
#pragma once
#include "product.h"

// A simdgroup multiplies 2*R weight rows, R in each half of its lanes, and N rows of activations.
template <typename T, int N>
kernel void multiplyFloat(constant ProductArgs &a [[buffer(0)]], device const uchar *w [[buffer(1)]], device const float *x [[buffer(2)]],
                          device float *dst [[buffer(5)]],
                          uint3 group [[threadgroup_position_in_grid]], uint3 size [[threads_per_threadgroup]],
                          ushort simd [[simdgroup_index_in_threadgroup]], ushort lane [[thread_index_in_simdgroup]]) {
	enum { R = 4 };
	const int row = R * (2 * (group.x * size.x / 32 + simd) + lane / 16), input = N * group.y;
	device const uchar *weights[R];
	device const float *inputs[N];
	UNROLL for (int r = 0; r < R; r++) weights[r] = w + long(min(row + r, a.rows - 1)) * a.cols * T::bytes;
	UNROLL for (int i = 0; i < N; i++) inputs[i] = x + long(min(input + i, a.inputs - 1)) * a.cols;

	float acc[R][N] = {};
	for (int k = lane % 16; k < a.cols; k += 16) {
		float v[R];
		UNROLL for (int r = 0; r < R; r++) v[r] = T(weights[r] + k * T::bytes).v;
		UNROLL for (int i = 0; i < N; i++) {
			const float xi = inputs[i][k];
			UNROLL for (int r = 0; r < R; r++) acc[r][i] = fma(v[r], xi, acc[r][i]);
		}
	}
	UNROLL for (int r = 0; r < R; r++)
		UNROLL for (int i = 0; i < N; i++) {
			float s = acc[r][i];
			for (ushort mask = 8; mask > 0; mask /= 2) s += simd_shuffle_xor(s, mask);
			if (lane % 16 == 0) store(a, dst, row + r, input + i, s);
		}
}

#define FLOAT(type, name, n) \
	template [[host_name("multiplyFloat_" name "_" #n)]] kernel decltype(multiplyFloat<type, n>) multiplyFloat<type, n>;
#define FLOATS(type, name) FLOAT(type, name, 1) FLOAT(type, name, 4) FLOAT(type, name, 16)

FLOATS(F32, "f32")
FLOATS(F16, "f16")
FLOATS(BF16, "bf16")
