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

struct FloatArgs {
	const float *src; // [rows][k]
	int32 rows, k;
	Product list[4]; // end counts groups of 4 rows
	int32 count, add;
};

constexpr int floatRows = 2; // of weights, that 16 lanes multiply; a warp 4

// floatSums multiplies `columns` rows of activations from src on.
template <class T, int columns>
__device__ inline void floatSums(float (&sum)[floatRows][columns], const uint8 *const (&rows)[floatRows],
                                 const float *const (&src)[columns], int k) {
	const int j = laneId() % 16, step = 16 * T::values, whole = k / step * step;
	auto add = [&](int from, int count) {
		Bytes16 w[floatRows];
		for (int r = 0; r < floatRows; r++)
			w[r] = loadOnce(reinterpret_cast<const Bytes16 *>(rows[r] + int64(from / step) * floatChunk + 16 * j));
#pragma unroll
		for (int i = 0; i < T::values; i++)
			if (16 * i + j < count)
				for (int c = 0; c < columns; c++) {
					const float x = src[c][from + 16 * i + j];
					for (int r = 0; r < floatRows; r++) sum[r][c] = fmaf(T::value(w[r], i), x, sum[r][c]);
				}
	};
#pragma unroll (columns == 1 ? 4 : 1)
	for (int from = 0; from < whole; from += step) add(from, step);
	if (whole < k) add(whole, k - whole);
	for (int r = 0; r < floatRows; r++)
		for (int c = 0; c < columns; c++)
			for (int with = 8; with > 0; with /= 2) sum[r][c] += shuffleXor(sum[r][c], with);
}

template <int columns> __device__ inline void floatProducts(const FloatArgs &a) {
	releaseNext();
	awaitBefore();
	const int lastGroup = a.list[a.count - 1].end - 1, own = blockIdx.x * (blockDim.x / 32) + warpId();
	int group = smaller(own, lastGroup), product = 0; // warps beyond the end compute the last group, and store nothing
	while (group >= a.list[product].end) product++;
	const Product &p = a.list[product];
	if (product > 0) group -= a.list[product - 1].end;
	const int first = (2 * group + laneId() / 16) * floatRows, column = blockIdx.y * columns;

	const uint8 *rows[floatRows];
	const float *src[columns];
	float sum[floatRows][columns] = {};
	for (int c = 0; c < columns; c++) src[c] = a.src + int64(smaller(column + c, a.rows - 1)) * a.k;
	const int64 bytes = p.format == typeF32 ? floatRowBytes<FloatF32>(a.k) : floatRowBytes<FloatF16>(a.k);
	for (int r = 0; r < floatRows; r++) rows[r] = p.weights + (first + r) * bytes;
	if (p.format == typeF32) floatSums<FloatF32, columns>(sum, rows, src, a.k);
	else if (p.format == typeF16) floatSums<FloatF16, columns>(sum, rows, src, a.k);
	else floatSums<FloatBF16, columns>(sum, rows, src, a.k);

	if (own > lastGroup || laneId() % 16 != 0) return;
	for (int c = 0; c < columns; c++)
		for (int r = 0; r < floatRows; r++)
			if (first + r < p.rows && column + c < a.rows) {
				float &to = p.dst[int64(column + c) * p.stride + first + r];
				to = a.add ? to + sum[r][c] : sum[r][c];
			}
}

extern "C" __global__ void __launch_bounds__(256) floats1(const __grid_constant__ FloatArgs a) { floatProducts<1>(a); }
extern "C" __global__ void __launch_bounds__(256) floats8(const __grid_constant__ FloatArgs a) { floatProducts<8>(a); }
