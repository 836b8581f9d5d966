// What attention needs of a row: normed and rotated queries and keys, and values, each where attention reads it.
#pragma once
#include "cache.cuh"
#include "control.cuh"

struct Angle {
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

// A warp takes one head of one row.
extern "C" __global__ void __launch_bounds__(32 * headWarps) heads(HeadsArgs a) {
	releaseNext();
	constexpr int n = maxDim / 32;
	int lane = laneId(), slots = a.heads + 2 * a.kvHeads;
	const uint32 index = blockIdx.x * headWarps + warpId();
	if (index >= uint32(a.rows * slots)) return;
	const int row = index / uint32(slots), slot = index - row * slots;
	bool isQuery = slot < a.heads, isKey = !isQuery && slot < a.heads + a.kvHeads;
	int head = isQuery ? slot : isKey ? slot - a.heads : slot - a.heads - a.kvHeads;
	const float *src = isQuery ? a.q + (int64(row) * a.heads + head) * a.dim
	                           : (isKey ? a.k : a.v) + (int64(row) * a.kvHeads + head) * a.dim;
	const float *norm = isQuery ? a.qNorm : a.kNorm;
	float x[n] = {}, w[n] = {};
	for (int c = 0; c < n; c++) {
		if (32 * c + lane < a.dim) w[c] = norm[32 * c + lane];
	}
	awaitBefore();
	// All that is to be loaded is on its way at once.
	const int pairs = a.dim / 2, position = a.block ? row : a.control->position + row;
	Angle angles[n] = {};
	for (int c = 0; c < n; c++) {
		int i = 32 * c + lane;
		if (i >= a.dim) break;
		x[c] = src[i];
		angles[c] = a.angles[row * pairs + (i < pairs ? i : i - pairs)];
	}
	if (isQuery || isKey) {
		float sum = 0;
		for (int c = 0; c < n; c++) sum = fmaf(x[c], x[c], sum);
		for (int m = 16; m > 0; m /= 2) sum += shuffleXor(sum, m);
		float s = rsqrtf(sum * reciprocalFast(a.dim) + a.eps);
		// The other value of a pair is with another lane unless half the head is a multiple of 32.
		__shared__ float shared[headWarps][maxDim];
		float *normed = shared[warpId()];
		for (int c = 0; c < n; c++) {
			int i = 32 * c + lane;
			if (i < a.dim) normed[i] = x[c] * s * w[c];
		}
		__syncwarp();
		for (int c = 0; c < n; c++) {
			int i = 32 * c + lane;
			if (i >= a.dim) break;
			Angle r = angles[c];
			x[c] = i < pairs ? normed[i] * r.cos - normed[i + pairs] * r.sin : normed[i] * r.cos + normed[i - pairs] * r.sin;
		}
	}
	if (isQuery) {
		const int kvHead = uint32(head) / uint32(a.group), query = row * a.group + head - kvHead * a.group;
		const int64 first = int64(kvHead) * a.queryRows * a.dim;
		int64 at = first + queryElement(a.t, a.dim, query, lane);
		for (int c = 0; c < n; c++, at += a.t == cacheF32 ? 32 : 512) { // to the next chunk
			if (32 * c + lane >= a.dim) break;
			float v = x[c] * a.scale;
			if (a.t == cacheF32) reinterpret_cast<float *>(a.queries)[at] = v;
			else reinterpret_cast<half *>(a.queries)[at] = halfOf(bounded(v, maxHalf));
		}
	} else {
		storeHead(a.t, isKey, (isKey ? a.keys : a.values) + head * a.headBytes, a.dim, position, x);
	}
}
