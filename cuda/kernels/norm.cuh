#pragma once
#include "act.cuh"

// storeGroup stores what loadGroup loads.
__device__ inline void storeGroup(float *row, int group, int width, const float (&x)[8]) {
	int at = actGroup * group + 8 * laneId();
	if (at + 8 <= width && width % 4 == 0) {
		for (int h = 0; h < 2; h++) {
			Bytes16 b;
			for (int i = 0; i < 4; i++) b.w[i] = bitsOf(x[4 * h + i]);
			*reinterpret_cast<Bytes16 *>(row + at + 4 * h) = b;
		}
	} else {
		for (int i = 0; i < 8 && at + i < width; i++) row[at + i] = x[i];
	}
}

// blockSum adds up a value of every thread, in one order for a given number of threads.
__device__ inline float blockSum(float v) {
	__shared__ float sums[32];
	for (int m = 16; m > 0; m /= 2) v += shuffleXor(v, m);
	if (laneId() == 0) sums[warpId()] = v;
	__syncthreads();
	v = 0;
	for (int i = 0; i < int(blockDim.x) / 32; i++) v += sums[i];
	return v;
}

constexpr int normThreads = 1024;

struct NormArgs {
	const float *src; // [rows][width]
	const float *w;   // [width]
	float *dst;       // as src, or 0
	Acts acts;        // at 0: none
	int32 rows, width;
	float eps, share; // share: 1 / width
	Span ahead;
};

// A block norms a row: x * (1/sqrt(mean of squares + eps)) * w. A warp has every so many groups of 256 values; the first, mostly
// its only one, stays in registers, and its weights come before the row is there. The blocks beyond the rows prefetch.
extern "C" __global__ void __launch_bounds__(normThreads) norm(NormArgs a) {
	releaseNext();
	const int row = blockIdx.x, warp = warpId(), warps = blockDim.x / 32, groups = ceilDiv(a.width, actGroup);
	if (row >= a.rows) {
		prefetchSpan(a.ahead, row - a.rows, gridDim.x - a.rows);
		return;
	}
	const float *src = a.src + int64(row) * a.width;
	float x[8], w[8], more[8], sum = 0;
	loadGroup(a.w, warp, a.width, w);
	awaitBefore();
	loadGroup(src, warp, a.width, x);
	for (int i = 0; i < 8; i++) sum = fmaf(x[i], x[i], sum);
	for (int group = warp + warps; group < groups; group += warps) {
		loadGroup(src, group, a.width, more);
		for (int i = 0; i < 8; i++) sum = fmaf(more[i], more[i], sum);
	}
	const float s = rsqrtf(blockSum(sum) * a.share + a.eps);
	for (int group = warp; group < groups; group += warps) {
		if (group > warp) {
			loadGroup(src, group, a.width, x);
			loadGroup(a.w, group, a.width, w);
		}
		for (int i = 0; i < 8; i++) x[i] = x[i] * s * w[i];
		if (a.dst) storeGroup(a.dst + int64(row) * a.width, group, a.width, x);
		if (a.acts.at) storeActs(a.acts, row, group, x);
	}
}
