// Attention over a cache: softmax(q k^T) v for every query, a head of a row. The positions that a row sees are cut into
// splits, for each of which alone a query has a part: the largest score, the sum of exp2(score - largest), and the
// weighted values over that sum. merge puts the parts together (Milakov and Gimelshein, 2018, "Online normalizer
// calculation for softmax"). Splits begin at multiples of their size, which follows from how many positions the row sees;
// in a split, tiles of 64 keys come in ascending order. So a row's bits depend on its own queries, its position and the
// cache alone, whatever rows and blocks run beside it: what a block's threads share are keys, never sums.
//
// A row of a diffusion block sees the cache before the block, then the block's keys in splits of their own.
#pragma once
#include "act.cuh"
#include "cache.cuh"
#include "control.cuh"

constexpr int tileKeys = 64;

// Splits are how a row's keys are cut. A short cache is cut to keep a GPU busy, into sizes that are powers of 2; a long one into
// as many splits as there are to be at most, of any number of tiles, so that about as many blocks have as much to do.
struct Splits {
	int32 few;   // at least so many, if they have tileKeys or more each
	int32 least; // keys of one, where there are more
	int32 most;  // at most so many

	// keys is the size of the splits of a row that sees so many.
	__device__ int keys(int seen) const {
		int keys = tileKeys;
		while (keys < least && seen > last(keys)) keys *= 2;
		return seen <= last(keys) ? keys : tileKeys * int((uint32(seen) + tileKeys * most - 1) / uint32(tileKeys * most));
	}
	// last is the largest number of keys that are cut to this size.
	__device__ int64 last(int keys) const { return int64(keys < least ? few : most) * keys; }
};

// pieces is how many pieces of a size there are in n.
__device__ inline int pieces(int n, int size) { return int((uint32(n) + size - 1) / uint32(size)); }

struct Part {
	float peak, sum; // of scores to base 2
};

// AttendArgs are for the rows from firstRow on of a pass. Queries are counted row by row, the heads of a kv head's group
// together, from that row on.
struct AttendArgs {
	const Control *control;
	const uint8 *queries;                 // of the first row's kv head 0
	const uint8 *keys, *values;           // of the layer
	const uint8 *blockKeys, *blockValues; // or 0: rows see the cache up to themselves
	uint8 *out;                           // [split][row][head][dim], half, or float with an f32 cache
	Part *parts;                          // [split][row][head]
	int64 queryBytes;                     // of a kv head
	int64 headBytes, blockBytes;          // of a head's keys
	int32 firstRow, rows, passRows;
	int32 heads, kvHeads, group, dim; // group: heads of a kv head
	Splits splits;
	Span ahead;
};

// Work is what a block does at a time: some queries of a kv head against a split.
struct Work {
	int kvHead, split;
	int firstQuery;     // of the block's
	int fromRow, toRow; // the rows that are split alike
	int from, to;       // keys
	bool block;         // they are the diffusion block's
	int tiles;
	const uint8 *keys, *values;
};

// seen is how many keys of the cache (or the block) a row sees.
__device__ inline int seen(const AttendArgs &a, const Work &w, int position, int row) {
	return !a.blockKeys ? position + a.firstRow + row + 1 : w.block ? a.passRows : position;
}

// find looks for the first work from number item on, in steps of the grid, and returns its number, or -1. A block, which takes
// 2^queryBits queries, then mostly stays with the same. Numbers are unsigned where that makes for shorter divisions.
__device__ inline int find(const AttendArgs &a, CacheType type, int queryBits, int position, int item, Work &w) {
	const uint32 group = a.group;
	for (;; item += gridDim.x) {
		uint32 index = item, count, groups;
		int size, firstGroup;
		for (w.fromRow = 0;; w.fromRow = w.toRow) {
			if (w.fromRow >= a.rows) return -1;
			int splits;
			if (a.blockKeys) {
				size = a.splits.keys(position);
				w.toRow = a.rows;
				splits = pieces(position, size) + pieces(a.passRows, size);
			} else {
				int first = position + a.firstRow;
				size = a.splits.keys(first + w.fromRow + 1);
				w.toRow = int(smaller(int64(a.rows), a.splits.last(size) - first));
				splits = pieces(first + w.toRow, size);
			}
			firstGroup = w.fromRow * group >> queryBits;
			groups = pieces(w.toRow * group, 1 << queryBits) - firstGroup;
			count = splits * groups * a.kvHeads;
			if (index < count) break;
			index -= count;
		}
		w.kvHead = index % uint32(a.kvHeads);
		index /= uint32(a.kvHeads);
		w.split = index / groups;
		w.firstQuery = (firstGroup + index % groups) << queryBits;
		int cached = a.blockKeys ? pieces(position, size) : 0;
		w.block = a.blockKeys && w.split >= cached;
		w.from = (w.block ? w.split - cached : w.split) * size;
		int lastRow = smaller(int((uint32(w.firstQuery) + (1 << queryBits) - 1) / group), w.toRow - 1);
		w.to = smaller(w.from + size, seen(a, w, position, lastRow));
		if (w.to <= w.from) continue;
		w.tiles = pieces(w.to - w.from, tileKeys);
		int64 at = int64(w.from) * rowBytes(type, a.dim) + w.kvHead * (w.block ? a.blockBytes : a.headBytes);
		w.keys = (w.block ? a.blockKeys : a.keys) + at;
		w.values = (w.block ? a.blockValues : a.values) + at;
		return item;
	}
}

// MergeArgs are for the rows from firstRow on of a pass.
struct MergeArgs {
	const Control *control;
	const uint8 *out;
	const Part *parts;
	float *dst; // [rows][heads][dim] from the first row on, or 0
	Acts acts;  // of the pass; at 0: none
	int32 firstRow, rows, passRows;
	int32 heads, dim;
	int32 block;
	Splits splits;
	int32 room; // for splits
	Span ahead;
};

constexpr int mergeChains = 8;

__device__ inline void load8(const float *p, float (&x)[8]) {
	for (int i = 0; i < 8; i++) x[i] = p[i];
}
__device__ inline void load8(const half *p, float (&x)[8]) {
	Bytes16 b = *reinterpret_cast<const Bytes16 *>(p);
	for (int i = 0; i < 8; i++) x[i] = floatOfHalf(half(b.w[i / 2] >> 16 * (i % 2)));
}

// Sum is the parts of some splits put together: 8 values of a head, and what they are to be divided by.
struct Sum {
	float peak, sum, x[8];
};

__device__ inline void add(Sum &s, float peak, float sum, float weight, const float (&x)[8]) {
	float top = fmaxf(s.peak, peak), old = exp2Fast(s.peak - top), now = exp2Fast(peak - top);
	s.peak = top;
	s.sum = fmaf(s.sum, old, now * sum);
	for (int i = 0; i < 8; i++) s.x[i] = fmaf(s.x[i], old, now * weight * x[i]);
}

// mergeParts puts 256 values of a row together: warp w the splits w, w+8, ..., then the first warp these sums. dim is a
// multiple of 8. The blocks beyond the rows prefetch.
template <class T> __device__ inline void mergeParts(const MergeArgs &a) {
	__shared__ Sum sums[mergeChains][32];
	int lane = laneId(), warp = warpId();
	int width = a.heads * a.dim, groups = ceilDiv(width, actGroup);
	int row = blockIdx.x / groups, group = blockIdx.x % groups;
	releaseNext();
	if (row >= a.rows) {
		prefetchSpan(a.ahead, blockIdx.x - a.rows * groups, gridDim.x - a.rows * groups);
		return;
	}
	awaitBefore();
	int at = actGroup * group + 8 * lane;
	Sum s = {-infinity()};
	auto load = [&](int split, Part &part, float(&x)[8]) {
		int64 first = int64(split) * a.rows + row;
		part = a.parts[first * a.heads + at / uint32(a.dim)];
		load8(reinterpret_cast<const T *>(a.out) + first * width + at, x);
	};
	// The first part is on its way while it is not known whether there is one.
	Part one;
	float values[8];
	if (at < width && warp < a.room) load(warp, one, values);
	const int position = a.control->position, cached = a.block ? position : position + a.firstRow + row + 1;
	const int size = a.splits.keys(cached), splits = pieces(cached, size) + (a.block ? pieces(a.passRows, size) : 0);
	if (at < width && warp < splits) {
		add(s, one.peak, one.sum, one.sum, values);
#pragma unroll 4
		for (int split = warp + mergeChains; split < splits; split += mergeChains) {
			load(split, one, values);
			add(s, one.peak, one.sum, one.sum, values);
		}
	}
	sums[warp][lane] = s;
	__syncthreads();
	if (warp > 0) return;
	for (int w = 1; w < smaller(mergeChains, splits); w++) add(s, sums[w][lane].peak, sums[w][lane].sum, 1, sums[w][lane].x);
	float inverse = reciprocalFast(s.sum);
	for (int i = 0; i < 8; i++) s.x[i] = at < width ? s.x[i] * inverse : 0;
	if (a.dst && at < width) {
		float *dst = a.dst + int64(row) * width + at;
		for (int i = 0; i < 8; i++) dst[i] = s.x[i];
	}
	if (a.acts.at) storeActs(a.acts, a.firstRow + row, group, s.x);
}

extern "C" __global__ void __launch_bounds__(32 * mergeChains) merge(MergeArgs a) { mergeParts<half>(a); }
extern "C" __global__ void __launch_bounds__(32 * mergeChains) merge_f32(MergeArgs a) { mergeParts<float>(a); }
