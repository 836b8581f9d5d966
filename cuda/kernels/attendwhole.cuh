// Attention of many rows over an f16 or q8_0 cache, in prompts: a block goes over all splits of its queries and merges them as it
// goes, with the roundings of parts and merge, so the same bits. Parts would take more memory traffic than all else.
#pragma once
#include "attendtile.cuh"

// WholeRows is a warp's queries and what they have of the splits so far.
template <int chunks> struct WholeRows : Rows<chunks, 1> {
	using Split = Rows<chunks, 1>;
	float allPeak[2], allSum[2], all[4 * chunks][4];

	__device__ void start(const AttendArgs &a, const Work &w, int position) {
		Split::start(a, w, position);
		for (int h = 0; h < 2; h++) allPeak[h] = -infinity(), allSum[h] = 0;
		for (int d = 0; d < 4 * chunks; d++)
			for (int e = 0; e < 4; e++) all[d][e] = 0;
	}

	// close ends the split that began with key `from`.
	__device__ void close(int from) {
		float old[2] = {1, 1}, inverse[2] = {}, weight[2] = {-0.0f, -0.0f}; // nothing changes where a query has no part in the split
		for (int h = 0; h < 2; h++) {
			if (this->seen[0][h] <= from) continue;
			const float total = this->sum[0][2 * h], peak = this->peak[0][h], top = fmaxf(allPeak[h], peak);
			old[h] = exp2Fast(allPeak[h] - top), weight[h] = exp2Fast(peak - top) * total, inverse[h] = reciprocalFast(total);
			allPeak[h] = top;
			allSum[h] = fmaf(allSum[h], old[h], weight[h]);
		}
		if (anyLane(old[0] != 1 || old[1] != 1))
			for (int d = 0; d < 4 * chunks; d++)
				for (int e = 0; e < 4; e++) all[d][e] *= old[e / 2];
		for (int d = 0; d < 4 * chunks; d++)
			for (int h = 0; h < 2; h++) {
				const half2 part = halvesOf(this->out[0][d][2 * h] * inverse[h], this->out[0][d][2 * h + 1] * inverse[h]);
				for (int e = 0; e < 2; e++) all[d][2 * h + e] = fmaf(floatOfHalf(half(part >> 16 * e)), weight[h], all[d][2 * h + e]);
			}
		Split::clear();
	}

	// finish writes the rows.
	__device__ void finish(const AttendArgs &a, const Work &w) {
		for (int h = 0; h < 2; h++) {
			if (this->seen[0][h] <= 0) continue;
			const uint32 q = Split::query(w, 0, h), row = q / uint32(a.group);
			const int64 head = int64(row) * a.heads + w.kvHead * a.group + (q - row * a.group);
			float *dst = reinterpret_cast<float *>(a.out) + head * Split::dim + 8 * (laneId() % 4);
			const float inverse = reciprocalFast(allSum[h]);
			for (int c = 0; c < chunks; c++)
				for (int j = 0; j < 4; j += 2) {
					Bytes16 v;
					for (int i = 0; i < 4; i++) v.w[i] = bitsOf(all[4 * c + j + i / 2][2 * h + i % 2] * inverse);
					*reinterpret_cast<Bytes16 *>(dst + 32 * c + 2 * j) = v;
				}
		}
	}
};

// findWhole finds the queries of item, the longest first, and how many keys their splits have. Without any it returns false.
__device__ inline bool findWhole(const AttendArgs &a, int queryBits, int position, uint32 item, Work &w, int &size) {
	const uint32 group = a.group;
	const int first = position + a.firstRow;
	uint32 groups, firstGroup;
	for (w.fromRow = 0;; w.fromRow = w.toRow) {
		if (w.fromRow >= a.rows) return false;
		size = alike(a, first, w);
		firstGroup = w.fromRow * group >> queryBits;
		groups = pieces(w.toRow * group, 1 << queryBits) - firstGroup;
		if (item < groups * a.kvHeads) break;
		item -= groups * a.kvHeads;
	}
	w.kvHead = item % uint32(a.kvHeads);
	w.firstQuery = (firstGroup + groups - 1 - item / uint32(a.kvHeads)) << queryBits;
	w.split = w.from = 0;
	w.block = false;
	w.to = seen(a, w, position, lastRow(w, group, queryBits));
	w.tiles = pieces(w.to, tileKeys);
	w.keys = a.keys + w.kvHead * a.headBytes;
	w.values = a.values + w.kvHead * a.headBytes;
	return true;
}

template <int chunks, bool q8> __device__ inline void attendWhole(const AttendArgs &a) {
	releaseNext();
	awaitBefore();
	constexpr int dim = 32 * chunks, queryBits = 6, queryBytes = 2 * dim << queryBits;
	static_assert(1 << queryBits == 16 * tileWarps);
	const int position = a.control->position;
	uint8 *queries = sharedMemory();
	KeyTiles<chunks, q8> tiles{queries + queryBytes};
	Work w;
	int size;
	for (int item = blockIdx.x; findWhole(a, queryBits, position, item, w, size); item += gridDim.x) {
		__syncthreads(); // all are done with the queries and tiles before
		tiles.fetch(w, 0);
		copyQueries<queryBytes>(queries, a, w, dim);
		commitCopies();
		WholeRows<chunks> rows;
		rows.start(a, w, position);
		const Bytes16 *own = reinterpret_cast<const Bytes16 *>(queries) + warpId() * chunks * 64;
		for (int from = 0; from < w.to; from += size) {
			const int last = pieces(smaller(from + size, w.to), tileKeys);
			for (int tile = from / tileKeys; tile < last; tile++) {
				const uint8 *keys = tiles.take();
				if (tile + 1 < w.tiles) tiles.fetch(w, tile + 1);
				commitCopies();
				rows.attend(own, keys, tile);
			}
			rows.close(from);
		}
		rows.finish(a, w);
	}
}

#define WHOLE(name, chunks, q8) \
	extern "C" __global__ void __launch_bounds__(tileThreads, 2) name(AttendArgs a) { attendWhole<chunks, q8>(a); }
WHOLE(whole_f16_32, 1, false)
WHOLE(whole_f16_64, 2, false)
WHOLE(whole_f16_128, 4, false)
WHOLE(whole_q8_32, 1, true)
WHOLE(whole_q8_64, 2, true)
WHOLE(whole_q8_128, 4, true)
#undef WHOLE
