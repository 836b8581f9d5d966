// What a GPU can do at most: read memory, and multiply 8x8 matrices. Both write what came out, so that nothing is left out.
#pragma once
#include "common.h"

struct ReadMemoryArgs {
	int vectors; // of 16 bytes
	int threads; // in all
};

kernel void readMemory(constant ReadMemoryArgs &a [[buffer(0)]], device const float4 *src [[buffer(1)]], device float *sums [[buffer(2)]],
                       uint3 group [[threadgroup_position_in_grid]], uint3 size [[threads_per_threadgroup]],
                       uint index [[thread_index_in_threadgroup]]) {
	const int first = group.x * size.x + index;
	float4 sum = 0.0f;
	for (int i = first; i < a.vectors; i += a.threads) sum += src[i];
	sums[first] = sum.x + sum.y + sum.z + sum.w;
}

struct MultiplyMatricesArgs {
	int rounds, pad;
};

// A simdgroup has eight sums of its own, each of which is added to once a round.
kernel void multiplyMatrices(constant MultiplyMatricesArgs &a [[buffer(0)]], device const half *src [[buffer(1)]], device float *sums [[buffer(2)]],
                             uint3 group [[threadgroup_position_in_grid]], uint3 size [[threads_per_threadgroup]],
                             uint index [[thread_index_in_threadgroup]]) {
	simdgroup_half8x8 x, y;
	simdgroup_load(x, src, 8, ulong2(0), false);
	simdgroup_load(y, src, 8, ulong2(0), true);
	simdgroup_float8x8 sum[8];
	UNROLL for (int i = 0; i < 8; i++) sum[i] = make_filled_simdgroup_matrix<float, 8, 8>(0.0f);
	for (int round = 0; round < a.rounds; round++)
		UNROLL for (int i = 0; i < 8; i++) simdgroup_multiply_accumulate(sum[i], x, y, sum[i]);
	float all = 0;
	UNROLL for (int i = 0; i < 8; i++) all += sum[i].thread_elements()[0];
	sums[group.x * size.x + index] = all;
}
