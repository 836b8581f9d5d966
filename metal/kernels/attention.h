// Grouped-query attention, tile by tile of 256 keys at absolute positions; the block of a diffusion pass has tiles of its own,
// from its first row on. attend computes the tiles' parts, each by itself, and merge adds those of a row in ascending order.
// So a row's bits do not depend on the rows beside it.
#pragma once
#include "act.h"
#include "cache.h"
#include "control.h"

constant constexpr int tileKeys = 256;
constant constexpr int tileQueries = 8; // that a simdgroup computes a tile for

struct AttendArgs {
	int rows, heads, kvHeads, dim;
	int blocks;   // of 32 positions of a KV head in the cache
	int tiles;    // of the cache, of which the last may be seen by no row yet
	int from, to; // tiles to compute; those from tiles on are the block's
	int causal;   // a row sees what is cached up to itself; else what is cached before the first row, and the block
	float scale;  // of a score
	int pad[2];
};

// open gives the accessor to 32 keys and values of a KV head, position (or row of the block) at being the first.
template <typename KV> inline KV open(constant AttendArgs &a, device const uchar *keys, device const uchar *values, int kvHead, int at) {
	const long from = (long(kvHead) * a.blocks + at / 32) * KV::bytes(a.dim);
	KV kv;
	kv.keys = keys + from, kv.values = values + from, kv.dim = a.dim;
	return kv;
}

template <> inline KVRows open<KVRows>(constant AttendArgs &a, device const uchar *keys, device const uchar *values, int kvHead, int at) {
	KVRows kv;
	kv.stride = a.kvHeads * a.dim;
	const long from = 4 * (long(at) * kv.stride + kvHead * a.dim);
	kv.keys = keys + from, kv.values = values + from;
	return kv;
}

// seen is how many positions of the cache a row sees.
inline int seen(constant AttendArgs &a, int position, int row) { return a.causal ? position + row + 1 : position; }

// A part is of a tile and a query: dim values, the weighted sum of values, then the peak of the scores and the sum of the
// weights. Queries are in the order [kv head][row][head of the group].
inline long partAt(constant AttendArgs &a, int tile, int query) { return (long(tile - a.from) * a.rows * a.heads + query) * (a.dim + 2); }

// Tiles, four a threadgroup; queries of a KV head, 8 a threadgroup; KV heads. A lane has a key when it computes scores, and
// 4*J dimensions when it adds up values. KV is an accessor (cache.h): of the cache, or of the block's rows.
template <typename KV, int J>
kernel void attend(constant AttendArgs &a [[buffer(0)]], device const Control *control [[buffer(1)]], device const float *q [[buffer(2)]],
                   device const uchar *keys [[buffer(3)]], device const uchar *values [[buffer(4)]], device float *parts [[buffer(5)]],
                   uint3 at [[threadgroup_position_in_grid]], ushort simd [[simdgroup_index_in_threadgroup]],
                   ushort lane [[thread_index_in_simdgroup]]) {
	threadgroup float4 queries[8 * 32 * J]; // [query][dim/4]
	threadgroup float4 shared[4 * 64];      // weights of a simdgroup: [query][32 keys]
	const int dim = a.dim, quads = dim / 4, share = a.heads / a.kvHeads, kvHead = at.z, first = tileQueries * at.y;
	const int count = min(tileQueries, a.rows * share - first), position = control->position;
	for (int i = 32 * simd + lane; i < tileQueries * quads; i += 128) {
		const int query = first + i / quads, head = kvHead * share + query % share;
		float4 x = 0.0f;
		if (i / quads < count) x = *(device const float4 *)(q + (long(query / share) * a.heads + head) * dim + i % quads * 4);
		queries[i] = x;
	}
	threadgroup_barrier(mem_flags::mem_threadgroup);

	const bool block = KV::block;
	const int tile = (block ? max(a.from, a.tiles) : a.from) + 4 * at.x + simd;
	if (tile >= (block ? a.to : min(a.to, a.tiles))) return;
	// How many keys of the tile each query sees, and all of them, and any of them.
	const int begin = (block ? tile - a.tiles : tile) * tileKeys;
	int sees[tileQueries], all = tileKeys, any = 0;
	UNROLL for (int i = 0; i < tileQueries; i++) {
		const int end = block ? a.rows : seen(a, position, (first + i) / share);
		sees[i] = i < count ? clamp(end - begin, 0, tileKeys) : 0;
		if (i < count) all = min(all, sees[i]);
		any = max(any, sees[i]);
	}

	threadgroup float4 *weights = shared + 64 * simd;
	threadgroup float *weight = (threadgroup float *)weights;
	float peak[tileQueries], sum[tileQueries];
	float4 acc[tileQueries][J];
	UNROLL for (int i = 0; i < tileQueries; i++) {
		peak[i] = -INFINITY, sum[i] = 0;
		UNROLL for (int j = 0; j < J; j++) acc[i][j] = 0.0f;
	}
	for (int k = 0; k < any; k += 32) {
		const KV kv = open<KV>(a, keys, values, kvHead, begin + k);
		float score[tileQueries] = {};
		for (int d = 0; d < quads; d++) {
			const float4 key = k + lane < any ? kv.key(lane, 4 * d) : float4(0.0f);
			UNROLL for (int i = 0; i < tileQueries; i++) {
				const float4 x = queries[i * quads + d];
				score[i] = fma(x.x, key.x, score[i]);
				score[i] = fma(x.y, key.y, score[i]);
				score[i] = fma(x.z, key.z, score[i]);
				score[i] = fma(x.w, key.w, score[i]);
			}
		}
		UNROLL for (int i = 0; i < tileQueries; i++) {
			float w = 0;
			if (k < sees[i]) {
				const float s = k + lane < sees[i] ? score[i] * a.scale : -INFINITY;
				const float higher = max(peak[i], simd_max(s)), shrink = exponential(peak[i] - higher);
				w = exponential(s - higher);
				sum[i] = fma(sum[i], shrink, w);
				UNROLL for (int j = 0; j < J; j++) acc[i][j] *= shrink;
				peak[i] = higher;
			}
			weight[32 * i + lane] = w;
		}
		simdgroup_barrier(mem_flags::mem_threadgroup);
		for (int key = 0; key < min(32, any - k); key += 4) {
			UNROLL for (int j = 0; j < J; j++) {
				const int d = 4 * lane + 128 * j;
				if (d >= dim) break;
				float4 v[4];
				UNROLL for (int n = 0; n < 4; n++) v[n] = k + key + n < any ? kv.value(key + n, d) : float4(0.0f);
				UNROLL for (int i = 0; i < tileQueries; i++) {
					const float4 w = weights[8 * i + key / 4];
					UNROLL for (int n = 0; n < 4; n++) {
						// What a query does not see takes no part, not even a NaN.
						if (k + key + n < all || k + key + n < sees[i]) acc[i][j] = fma(float4(w[n]), v[n], acc[i][j]);
					}
				}
			}
		}
		simdgroup_barrier(mem_flags::mem_threadgroup);
	}
	UNROLL for (int i = 0; i < tileQueries; i++) {
		if (sees[i] == 0) continue;
		device float *part = parts + partAt(a, tile, kvHead * a.rows * share + first + i);
		UNROLL for (int j = 0; j < J; j++)
			for (int n = 0; n < 4; n++)
				if (4 * lane + 128 * j < dim) part[4 * lane + 128 * j + n] = acc[i][j][n];
		const float total = treeSum(sum[i]);
		if (lane == 0) part[dim] = peak[i], part[dim + 1] = total;
	}
}

#define ATTEND(KV, name, j) template [[host_name("attend_" name "_" #j)]] kernel decltype(attend<KV, j>) attend<KV, j>;
#define ATTENDS(KV, name) ATTEND(KV, name, 1) ATTEND(KV, name, 2)

ATTENDS(KVF32, "f32")
ATTENDS(KVF16, "f16")
ATTENDS(KVQ8_0, "q8_0")
ATTENDS(KVRows, "rows")

struct MergeArgs {
	AttendArgs attend;
	int first, last; // whether the tiles are the first ones, and the last ones; between, the sums are kept
	int floats;      // store floats
	int form;        // store activations, if not formFloat
};

// A simdgroup takes 256 of the heads*dim values of a row: groups of the row, rows. A lane has 8, all of one head.
kernel void merge(constant MergeArgs &m [[buffer(0)]], device const Control *control [[buffer(1)]], device const float *parts [[buffer(2)]],
                  device float *kept [[buffer(3)]], device float *dst [[buffer(4)]],
                  device half *q [[buffer(5)]], device float *scales [[buffer(6)]], device float *sums [[buffer(7)]],
                  uint3 at [[threadgroup_position_in_grid]], ushort lane [[thread_index_in_simdgroup]]) {
	constant AttendArgs &a = m.attend;
	const int row = at.y, width = a.heads * a.dim, from = 256 * at.x + 8 * lane;
	const int head = min(from, width - 8) / a.dim, d = from % a.dim, share = a.heads / a.kvHeads;
	const int query = head / share * a.rows * share + row * share + head % share;
	const int end = seen(a, control->position, row);
	device float *keep = kept + (long(row) * width + from) / 8 * 10; // the lane's own

	float out[8] = {}, peak = -INFINITY, sum = 0;
	if (!m.first && from < width) {
		for (int i = 0; i < 8; i++) out[i] = keep[i];
		peak = keep[8], sum = keep[9];
	}
	for (int tile = a.from; tile < a.to; tile++) {
		if (tile < a.tiles && tile * tileKeys >= end) continue;
		device const float *part = parts + partAt(a, tile, query);
		// Of two peaks, the parts of the smaller one shrink.
		const float other = part[a.dim], shrink = exponential(-abs(peak - other));
		const float old = other > peak ? shrink : 1.0f, now = other > peak ? 1.0f : shrink;
		sum = fma(sum, old, part[a.dim + 1] * now);
		for (int i = 0; i < 8; i++) out[i] = fma(out[i], old, part[d + i] * now);
		peak = max(peak, other);
	}
	if (!m.last) {
		if (from >= width) return;
		for (int i = 0; i < 8; i++) keep[i] = out[i];
		keep[8] = peak, keep[9] = sum;
		return;
	}
	const float inverse = 1.0f / sum;
	for (int i = 0; i < 8; i++) out[i] = from < width ? out[i] * inverse : 0.0f;
	if (m.floats && from < width)
		for (int i = 0; i < 8; i++) dst[long(row) * width + from + i] = out[i];
	if (m.form != formFloat) storeActs(actsOf(m.form, width, q, scales, sums), row, at.x, lane, out);
}
