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

// alike sets w.toRow behind the rows from w.fromRow on whose splits have the same size, and returns that. first is the position of
// row 0; the rows see the cache up to themselves.
__device__ inline int alike(const AttendArgs &a, int first, Work &w) {
	const int size = a.splits.keys(first + w.fromRow + 1);
	w.toRow = int(smaller(int64(a.rows), a.splits.last(size) - first));
	return size;
}

// lastRow is the last row that a block's 2^queryBits queries are of.
__device__ inline int lastRow(const Work &w, uint32 group, int queryBits) {
	return smaller(int((uint32(w.firstQuery) + (1 << queryBits) - 1) / group), w.toRow - 1);
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
				const int first = position + a.firstRow;
				size = alike(a, first, w);
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
		const int last = lastRow(w, group, queryBits);
		w.to = smaller(w.from + size, seen(a, w, position, last));
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

// A block puts 256 values of a row together, a thread four of them, in ascending order of the splits, as attendwhole.cuh does
// without parts.
constexpr int mergeValues = 4, mergeThreads = actGroup / mergeValues;

// Share is what a split changes: the sum of those before is to be multiplied by old, its own values by weight.
struct alignas(8) Share {
	float old, weight;
};

__device__ inline float valueOf(const Bytes16 &x, int i) { return floatOf(x.w[i]); }
__device__ inline float valueOf(const Bytes8 &x, int i) { return floatOfHalf(half(x.w[i / 2] >> 16 * (i % 2))); }

// shareOut computes the shares of the splits of a head, a lane for each.
__device__ inline void shareOut(Share *shares, const Part *parts, int stride, int splits) {
	float top = -infinity();
	for (int first = 0; first < splits; first += 32) {
		const int lane = laneId(), split = first + lane;
		Part part = {-infinity(), 0};
		if (split < splits) part = parts[int64(split) * stride];
		float peak = part.peak;
		for (int d = 1; d < 32; d *= 2) {
			const float before = shuffle(peak, larger(lane - d, 0));
			peak = fmaxf(peak, before);
		}
		peak = fmaxf(peak, top);
		float before = shuffle(peak, larger(lane - 1, 0));
		if (lane == 0) before = top;
		if (split < splits) shares[split] = {exp2Fast(before - peak), exp2Fast(part.peak - peak) * part.sum};
		top = shuffle(peak, 31);
	}
}

// The blocks beyond the rows prefetch. Values, four as they lie in memory, are all on their way before the first are added.
template <class Values> __device__ inline void mergeParts(const MergeArgs &a) {
	__shared__ float values[actGroup];
	Share *shares = reinterpret_cast<Share *>(sharedMemory()); // [head][split] of the block's heads
	const int width = a.heads * a.dim, groups = ceilDiv(width, actGroup);
	const int row = blockIdx.x / groups, group = blockIdx.x % groups;
	releaseNext();
	if (row >= a.rows) {
		prefetchSpan(a.ahead, blockIdx.x - a.rows * groups, gridDim.x - a.rows * groups);
		return;
	}
	const int at = actGroup * group + mergeValues * threadIdx.x, firstHead = uint32(actGroup * group) / uint32(a.dim);
	const int lastHead = smaller(uint32(actGroup * group + actGroup - 1) / uint32(a.dim), uint32(a.heads - 1));
	const int own = smaller(at, width - mergeValues); // those beyond the row load something
	const uint8 *out = a.out + sizeof(Values) / mergeValues * (int64(row) * width + own);
	const uint32 stride = sizeof(Values) / mergeValues * uint32(a.rows * width);
	auto load = [&](Values &x, int split) { x = *reinterpret_cast<const Values *>(out + uint64(stride) * uint32(split)); };
	constexpr int most = 40;
	Values x[most];
	// The position is hardly ever still to change, so that the number of splits need not be waited for.
	int position = guess(&a.control->position), splits;
	bool waited = false;
	for (;;) {
		const int cached = a.block ? position : position + a.firstRow + row + 1, size = a.splits.keys(cached);
		splits = pieces(cached, size) + (a.block ? pieces(a.passRows, size) : 0);
		if (!waited) awaitBefore();
		waited = true;
		const int now = a.control->position;
#pragma unroll
		for (int i = 0; i < most; i++)
			if (i < splits) load(x[i], i);
		if (now == position) break;
		position = now;
	}
	for (int head = firstHead + warpId(); head <= lastHead; head += mergeThreads / 32)
		shareOut(shares + (head - firstHead) * a.room, a.parts + int64(row) * a.heads + head, a.rows * a.heads, splits);
	__syncthreads();
	const Share *mine = shares + (uint32(own) / uint32(a.dim) - firstHead) * a.room;
	float sum = 0, all[mergeValues] = {};
	auto add = [&](const Values &x, const Share &s) {
		sum = fmaf(sum, s.old, s.weight);
		for (int e = 0; e < mergeValues; e++) all[e] = fmaf(valueOf(x, e), s.weight, all[e] * s.old);
	};
#pragma unroll
	for (int i = 0; i < most; i++)
		if (i < splits) add(x[i], mine[i]);
	for (int i = most; i < splits; i++) {
		load(x[0], i);
		add(x[0], mine[i]);
	}
	const float inverse = reciprocalFast(sum);
	for (int e = 0; e < mergeValues; e++) {
		const float v = at < width ? all[e] * inverse : 0;
		values[mergeValues * threadIdx.x + e] = v;
		if (a.dst && at < width) a.dst[int64(row) * width + at + e] = v;
	}
	if (!a.acts.at) return;
	__syncthreads();
	if (warpId() > 0) return;
	float eight[8];
	for (int i = 0; i < 8; i++) eight[i] = values[8 * laneId() + i];
	storeActs(a.acts, a.firstRow + row, group, eight);
}

extern "C" __global__ void __launch_bounds__(mergeThreads) merge(MergeArgs a) { mergeParts<Bytes8>(a); }
extern "C" __global__ void __launch_bounds__(mergeThreads) merge_f32(MergeArgs a) { mergeParts<Bytes16>(a); }
