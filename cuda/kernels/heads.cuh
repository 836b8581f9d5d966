// What attention needs of a row: normed and rotated queries and keys, and values, each where attention reads it.
#pragma once
#include "cache.cuh"
#include "control.cuh"

struct alignas(8) Angle {
	float cos, sin;
};

struct RotationArgs {
	const Control *control;
	const float *frequencies; // dim/2, radians a position
	Angle *angles;            // [rows][dim/2]
	int32 half;
	float scale;
};

// rotations prepares those of a pass, which all layers share. The angle is rounded to float32 as the reference does.
extern "C" __global__ void rotations(RotationArgs a) {
	releaseNext();
	awaitBefore();
	int position = a.control->position + blockIdx.x;
	for (int i = threadIdx.x; i < a.half; i += blockDim.x) {
		double angle = float(position) * a.frequencies[i];
		a.angles[blockIdx.x * a.half + i] = {float(cos(angle)) * a.scale, float(sin(angle)) * a.scale};
	}
}

constexpr int headWarps = 4;
constexpr int maxDim = 128;

struct HeadsArgs {
	const Control *control;
	const Angle *angles;
	const float *q, *k, *v;       // [rows][heads or kvHeads][dim]
	const float *qNorm, *kNorm;   // [dim]
	uint8 *queries;               // [kv head][queryRows][dim], by queryElement
	uint8 *keys, *values;         // the layer's, or the block's
	int64 headBytes;              // of keys or values
	int32 rows, heads, kvHeads, dim;
	int32 queryRows;
	CacheType t;
	int32 block;                  // keys and values lie at the row, not at its position
	float eps;
	float scale;                  // of queries
	int32 group;                  // heads of a kv head
};

// queryElement is the index of value i of a query. f16 queries lie in tiles of 16 as lanes take the first operand of
// mma.m16n8k16, two products for a chunk of 32 values: rows g and g+8 and, as for keys, values 8t to 8t+7 are lane 4g+t's.
__device__ inline int64 queryElement(CacheType type, int dim, int query, int i) {
	if (type == cacheF32) return int64(query) * dim + i;
	int row = query % 16, product = i / 32 * 2 + i / 4 % 2, lane = row % 8 * 4 + i / 8 % 4, word = i / 2 % 2 * 2 + row / 8;
	return int64(query / 16) * 16 * dim + (product * 32 + lane) * 8 + word * 2 + i % 2;
}

// storeQuery leaves a query where attention reads it: a warp whose lane l has values l, l+32, ..., n of them.
template <int n> __device__ inline void storeQuery(CacheType type, uint8 *queries, int dim, int query, const float (&x)[n]) {
	int64 at = queryElement(type, dim, query, laneId());
	for (int c = 0; c < n; c++, at += type == cacheF32 ? 32 : 512) { // to the next chunk
		if (32 * c + laneId() >= dim) break;
		if (type == cacheF32) reinterpret_cast<float *>(queries)[at] = x[c];
		else reinterpret_cast<half *>(queries)[at] = halfOf(bounded(x[c], maxHalf));
	}
}

// headRows has a warp take one head of a row, or of the rows at `together` positions, the first a multiple of that: 8 of an f16
// cache and maxDim. A fixedDim of 0 is any.
template <int fixedDim, int together> __device__ inline void headRows(const HeadsArgs &a) {
	releaseNext();
	constexpr int n = maxDim / 32;
	const int lane = laneId(), dim = fixedDim ? fixedDim : a.dim, pairs = dim / 2;
	const CacheType type = together > 1 ? cacheF16 : a.t;
	const int slots = a.heads + 2 * a.kvHeads;
	const uint32 index = blockIdx.x * headWarps + warpId();
	const int part = index / uint32(slots), slot = index - part * slots;
	const bool isQuery = slot < a.heads, isKey = !isQuery && slot < a.heads + a.kvHeads;
	const int head = isQuery ? slot : isKey ? slot - a.heads : slot - a.heads - a.kvHeads, heads = isQuery ? a.heads : a.kvHeads;
	const int kvHead = isQuery ? uint32(head) / uint32(a.group) : head;
	const float *src = (isQuery ? a.q : isKey ? a.k : a.v) + head * dim, *norm = isQuery ? a.qNorm : a.kNorm;
	uint8 *dst = isQuery ? a.queries + int64(kvHead) * a.queryRows * dim * (type == cacheF32 ? 4 : 2)
	                     : (isKey ? a.keys : a.values) + head * a.headBytes;
	float w[n] = {};
	for (int c = 0; c < n; c++)
		if (32 * c + lane < dim) w[c] = norm[32 * c + lane];
	awaitBefore();
	const int position = a.block ? 0 : a.control->position; // of row 0
	const int first = part * together - position % together;
	if constexpr (together == 8)
		if (!isQuery && !isKey && first >= 0 && first + 8 <= a.rows) {
			// An element of a value at these positions is 16 bytes of the cache.
			float x[8][n];
			for (int j = 0; j < 8; j++)
				for (int c = 0; c < n; c++) x[j][c] = bounded(src[int64(first + j) * heads * dim + 32 * c + lane], maxHalf);
			for (int c = 0; c < n; c++) {
				Bytes16 unit;
				for (int j = 0; j < 4; j++) unit.w[j] = halvesOf(x[2 * j][c], x[2 * j + 1][c]);
				*reinterpret_cast<Bytes16 *>(dst + element(type, false, dim, position + first, 32 * c + lane).value) = unit;
			}
			return;
		}
#pragma unroll 1
	for (int row = first; row < first + together; row++) {
		if (row < 0 || row >= a.rows) continue;
		// All that is to be loaded is on its way at once.
		float x[n] = {};
		Angle angles[n] = {};
		for (int c = 0; c < n; c++) {
			const int i = 32 * c + lane;
			if (i >= dim) break;
			x[c] = src[int64(row) * heads * dim + i];
			angles[c] = a.angles[row * pairs + (i < pairs ? i : i - pairs)];
		}
		if (isQuery || isKey) {
			float sum = 0;
			for (int c = 0; c < n; c++) sum = fmaf(x[c], x[c], sum);
			for (int m = 16; m > 0; m /= 2) sum += shuffleXor(sum, m);
			const float s = rsqrtf(sum * reciprocalFast(dim) + a.eps);
			for (int c = 0; c < n; c++) x[c] = x[c] * s * w[c];
			float other[n] = {}; // the pair's other value: with another lane unless half the head is a multiple of 32
			if constexpr (fixedDim == maxDim) {
				for (int c = 0; c < n; c++) other[c] = x[(c + n / 2) % n];
			} else {
				__shared__ float shared[headWarps][maxDim];
				float *normed = shared[warpId()];
				for (int c = 0; c < n; c++)
					if (32 * c + lane < dim) normed[32 * c + lane] = x[c];
				__syncwarp();
				for (int c = 0; c < n; c++)
					if (const int i = 32 * c + lane; i < dim) other[c] = normed[i < pairs ? i + pairs : i - pairs];
			}
			for (int c = 0; c < n; c++) {
				const Angle r = angles[c];
				x[c] = x[c] * r.cos + (32 * c + lane < pairs ? -other[c] : other[c]) * r.sin;
			}
		}
		if (isQuery) {
			for (int c = 0; c < n; c++) x[c] *= a.scale;
			storeQuery(type, dst, dim, row * a.group + head - kvHead * a.group, x);
		} else {
			storeHead(type, isKey, dst, dim, position + row, x);
		}
	}
}

// 48 warps a multiprocessor: an H100 has all of 1,024 rows of 48 heads at once, eight positions each.
extern "C" __global__ void __launch_bounds__(32 * headWarps, 48 / headWarps) heads(HeadsArgs a) {
	if (a.dim == maxDim) headRows<maxDim, 1>(a);
	else headRows<0, 1>(a);
}
extern "C" __global__ void __launch_bounds__(32 * headWarps, 48 / headWarps) heads8(HeadsArgs a) { headRows<maxDim, 8>(a); }
