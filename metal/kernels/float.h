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

	float acc[R * N] = {};
	for (int k = lane % 16; k < a.cols; k += 16) {
		float v[R];
		UNROLL for (int r = 0; r < R; r++) v[r] = T(weights[r] + k * T::bytes).v;
		UNROLL for (int i = 0; i < N; i++) {
			const float xi = inputs[i][k];
			UNROLL for (int r = 0; r < R; r++) acc[R * i + r] = fma(v[r], xi, acc[R * i + r]);
		}
	}
	// Every step halves the lanes that hold a sum, and the sums that a lane holds: it gives one half for the other.
	int first = 0;
	UNROLL for (int mask = 8, n = R * N / 2; mask > 0; mask /= 2, n /= 2) {
		const bool upper = lane & mask;
		if (n == 0) acc[0] += simd_shuffle_xor(acc[0], ushort(mask));
		UNROLL for (int i = 0; i < n; i++) {
			const float given = simd_shuffle_xor(upper ? acc[i] : acc[n + i], ushort(mask));
			acc[i] = (upper ? acc[n + i] : acc[i]) + given;
		}
		first += upper ? n : 0;
	}
	if (R * N < 16 && lane % (16 / (R * N)) != 0) return;
	UNROLL for (int i = 0; i < (R * N + 15) / 16; i++) store(a, dst, row + (first + i) % R, input + (first + i) / R, acc[i]);
}

#define FLOAT(type, name, n) \
	template [[host_name("multiplyFloat_" name "_" #n)]] kernel decltype(multiplyFloat<type, n>) multiplyFloat<type, n>;
#define FLOATS(type, name) FLOAT(type, name, 1) FLOAT(type, name, 4) FLOAT(type, name, 8) FLOAT(type, name, 16)

FLOATS(F32, "f32")
FLOATS(F16, "f16")
FLOATS(BF16, "bf16")
