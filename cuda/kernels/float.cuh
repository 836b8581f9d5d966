// Products of f32, f16 and bf16 weights with float32 activations: bit for bit quant.Dot.
#pragma once
#include "matmul.cuh"

// A row of weights is a sequence of 256 bytes, in which lane j of 16 has 16 bytes: the values j, j+16, j+32, ... of as many
// values of the row. Dot has 16 lanes too, so each is a thread's own chain of multiply-adds.
constexpr int floatChunk = 256;

struct FloatF32 {
	static constexpr int values = 4; // a lane
	__device__ static float value(const Bytes16 &v, int i) { return floatOf(v.w[i]); }
};
struct FloatF16 {
	static constexpr int values = 8;
	__device__ static float value(const Bytes16 &v, int i) { return floatOfHalf(half(v.w[i / 2] >> 16 * (i % 2))); }
};
struct FloatBF16 {
	static constexpr int values = 8;
	__device__ static float value(const Bytes16 &v, int i) { return floatOf(i % 2 ? v.w[i / 2] & 0xffff0000 : v.w[i / 2] << 16); }
};

// floatRowBytes is the size of a row of k values.
template <class T> __device__ inline int64 floatRowBytes(int k) { return int64(ceilDiv(k, 16 * T::values)) * floatChunk; }
__device__ inline int64 floatRowBytes(int32 format, int k) { return format == typeF32 ? floatRowBytes<FloatF32>(k) : floatRowBytes<FloatF16>(k); }

struct FloatArgs {
	const float *src; // [rows][k]
	int32 rows, k;
	Product list[maxProducts]; // end counts groups of 4 rows, or floatTiles' blocks
	int32 add, pad;
};

constexpr int floatRows = 2; // of weights, that 16 lanes multiply; a warp 4

// floatSums multiplies a row of activations.
template <class T> __device__ inline void floatSums(float (&sum)[floatRows], const uint8 *const (&rows)[floatRows], const float *src, int k) {
	const int j = laneId() % 16, step = 16 * T::values, whole = k / step * step;
	auto add = [&](int from, int count) {
		Bytes16 w[floatRows];
		for (int r = 0; r < floatRows; r++)
			w[r] = loadOnce(reinterpret_cast<const Bytes16 *>(rows[r] + int64(from / step) * floatChunk + 16 * j));
#pragma unroll
		for (int i = 0; i < T::values; i++)
			if (16 * i + j < count) {
				const float x = src[from + 16 * i + j];
				for (int r = 0; r < floatRows; r++) sum[r] = fmaf(T::value(w[r], i), x, sum[r]);
			}
	};
#pragma unroll 4
	for (int from = 0; from < whole; from += step) add(from, step);
	if (whole < k) add(whole, k - whole);
	for (int r = 0; r < floatRows; r++)
		for (int with = 8; with > 0; with /= 2) sum[r] += shuffleXor(sum[r], with);
}

extern "C" __global__ void __launch_bounds__(256) floats(const __grid_constant__ FloatArgs a) {
	releaseNext();
	awaitBefore();
	const int lastGroup = a.list[maxProducts - 1].end - 1, own = blockIdx.x * (blockDim.x / 32) + warpId();
	int group = smaller(own, lastGroup); // warps beyond the end compute the last group, and store nothing
	const Product &p = productOf(a, group);
	const int first = (2 * group + laneId() / 16) * floatRows;

	const uint8 *rows[floatRows];
	float sum[floatRows] = {};
	const int64 bytes = floatRowBytes(p.format, a.k);
	for (int r = 0; r < floatRows; r++) rows[r] = p.weights + (first + r) * bytes;
	if (p.format == typeF32) floatSums<FloatF32>(sum, rows, a.src, a.k);
	else if (p.format == typeF16) floatSums<FloatF16>(sum, rows, a.src, a.k);
	else floatSums<FloatBF16>(sum, rows, a.src, a.k);

	if (own > lastGroup || laneId() % 16 != 0) return;
	for (int r = 0; r < floatRows; r++)
		if (first + r < p.rows) {
			float &to = p.dst[first + r];
			to = a.add ? to + sum[r] : sum[r];
		}
}
