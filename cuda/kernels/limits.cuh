// What the GPU can do at most, for benchmarks: copy memory, and multiply int8.
#pragma once
#include "common.cuh"

struct CopyMemoryArgs {
	const Bytes16 *src;
	Bytes16 *dst;
	int64 count;
};

extern "C" __global__ void copyMemory(CopyMemoryArgs a) {
	releaseNext();
	awaitBefore();
	constexpr int loads = 4;
	const int64 step = (int64)gridDim.x * blockDim.x;
	for (int64 i = (int64)blockIdx.x * blockDim.x + threadIdx.x; i < a.count; i += loads * step) {
		Bytes16 v[loads];
#pragma unroll
		for (int k = 0; k < loads; k++)
			if (i + k * step < a.count) v[k] = a.src[i + k * step];
#pragma unroll
		for (int k = 0; k < loads; k++)
			if (i + k * step < a.count) a.dst[i + k * step] = v[k];
	}
}

struct MultiplyArgs {
	int32 *sums; // [warps of the grid][32 lanes]
	int64 rounds;
};

// Each round is 8 products of 16 x 32 and 32 x 8, independent of each other.
extern "C" __global__ void multiply(MultiplyArgs a) {
	releaseNext();
	awaitBefore();
	constexpr int chains = 8;
	int32 c[chains][4] = {};
	const uint32 at = blockIdx.x * blockDim.x + threadIdx.x;
	const uint32 m[4] = {at, at + 1, at + 2, at + 3};
	for (int64 i = 0; i < a.rounds; i++)
#pragma unroll
		for (int k = 0; k < chains; k++) mmaS8(c[k], m, at + k, at);
	int32 sum = 0;
	for (int k = 0; k < chains; k++)
		for (int j = 0; j < 4; j++) sum += c[k][j];
	a.sums[at] = sum;
}
