// Attention over an f32 cache, in float32: for accuracy, not for speed.
#pragma once
#include "attention.cuh"
#include "heads.cuh"

constexpr int floatWarps = 4, floatQueries = 4; // queries of a warp
constexpr int floatDims = maxDim / 32;          // values of a head in a lane

// A lane scores two keys of a tile and has every 32nd value of the head.
extern "C" __global__ void __launch_bounds__(32 * floatWarps) attend_f32(AttendArgs a) {
	releaseNext();
	awaitBefore();
	const int lane = laneId(), dim = a.dim, position = a.control->position, group = a.group;
	constexpr int queryBits = 4, perBlock = 1 << queryBits;
	static_assert(perBlock == floatWarps * floatQueries);
	float *queries = reinterpret_cast<float *>(sharedMemory()); // [perBlock][dim]
	float *keys = queries + perBlock * dim;                     // [tileKeys][dim + 1]
	float *values = keys + tileKeys * (dim + 1);                // [tileKeys][dim]
	const float *own = queries + warpId() * floatQueries * dim;

	Work w;
	int item = find(a, cacheF32, queryBits, position, blockIdx.x, w);
	if (item < 0) prefetchSpan(a.ahead, blockIdx.x, gridDim.x);
	for (; item >= 0; item = find(a, cacheF32, queryBits, position, item + gridDim.x, w)) {
		__syncthreads();
		const float *src = reinterpret_cast<const float *>(a.queries + w.kvHead * a.queryBytes) + int64(w.firstQuery) * dim;
		for (int i = threadIdx.x; i < perBlock * dim; i += blockDim.x) queries[i] = src[i];

		int seen[floatQueries], query[floatQueries];
		float peak[floatQueries], sum[floatQueries] = {}, out[floatQueries][floatDims] = {};
		for (int i = 0; i < floatQueries; i++) {
			query[i] = w.firstQuery + warpId() * floatQueries + i;
			int row = query[i] / group;
			seen[i] = row < w.fromRow || row >= w.toRow ? 0 : larger(0, ::seen(a, w, position, row) - w.from);
			peak[i] = -infinity();
		}
		for (int tile = 0; tile < w.tiles; tile++) {
			__syncthreads();
			const float *k = reinterpret_cast<const float *>(w.keys) + int64(tile) * tileKeys * dim;
			const float *v = reinterpret_cast<const float *>(w.values) + int64(tile) * tileKeys * dim;
			for (int i = threadIdx.x; i < tileKeys * dim; i += blockDim.x) {
				keys[i / dim * (dim + 1) + i % dim] = k[i];
				values[i] = v[i];
			}
			__syncthreads();
			float s[floatQueries][2] = {};
			for (int d = 0; d < dim; d++)
				for (int i = 0; i < floatQueries; i++)
					for (int h = 0; h < 2; h++) s[i][h] = fmaf(own[i * dim + d], keys[(32 * h + lane) * (dim + 1) + d], s[i][h]);
			for (int i = 0; i < floatQueries; i++) {
				int visible = smaller(tileKeys, seen[i] - tile * tileKeys);
				if (visible <= 0) continue;
				float top = peak[i];
				for (int h = 0; h < 2; h++) {
					if (32 * h + lane >= visible) s[i][h] = -infinity();
					top = fmaxf(top, s[i][h]);
				}
				for (int mask = 16; mask > 0; mask /= 2) top = fmaxf(top, shuffleXor(top, mask));
				float shrink = exp2f(peak[i] - top);
				peak[i] = top;
				for (int h = 0; h < 2; h++) s[i][h] = exp2f(s[i][h] - top);
				sum[i] = fmaf(sum[i], shrink, s[i][0] + s[i][1]);
				for (int c = 0; c < floatDims; c++) out[i][c] *= shrink;
				for (int key = 0; key < visible; key++) {
					float p = shuffle(key < 32 ? s[i][0] : s[i][1], key % 32);
					for (int c = 0; c < floatDims; c++)
						if (32 * c + lane < dim) out[i][c] = fmaf(p, values[key * dim + 32 * c + lane], out[i][c]);
				}
			}
		}
		for (int i = 0; i < floatQueries; i++) {
			for (int mask = 16; mask > 0; mask /= 2) sum[i] += shuffleXor(sum[i], mask);
			if (seen[i] == 0) continue;
			int64 at = (int64(w.split) * a.rows + query[i] / group) * a.heads + w.kvHead * group + query[i] % group;
			if (lane == 0) a.parts[at] = {peak[i], sum[i]};
			for (int c = 0; c < floatDims; c++)
				if (32 * c + lane < dim) reinterpret_cast<float *>(a.out)[at * dim + 32 * c + lane] = out[i][c] / sum[i];
		}
	}
}
