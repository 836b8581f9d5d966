// Attention over an f16 or q8_0 cache, on tensor cores.
#pragma once
#include "attention.cuh"

constexpr int tileGroups = tileKeys / groupKeys;
constexpr float lowest = -1e30f; // a peak below all scores; a hidden key's, -infinity, stays so less this

// Operands are the second operand of two products for one tile of columns, 8 terms in a lane: halves {0, 1}, {2, 3} of the
// first product, then of the second.
using Operands = Bytes16;

// operands loads those of the four column tiles of a chunk in shared memory.
__device__ inline void operands(const uint8 *chunk, Operands (&o)[4]) {
	for (int j = 0; j < 4; j++) o[j] = reinterpret_cast<const Operands *>(chunk)[32 * j + laneId()];
}

// Q8Chunk is a lane's part of a chunk of q8_0.
template <bool keys> struct Q8Chunk {
	Bytes16 bytes[2]; // of two column tiles each
	Bytes16 scales;   // of keys in two words, one for each column tile; of values one for each term

	__device__ void load(const uint8 *chunk, const uint8 *chunkScales) {
		for (int i = 0; i < 2; i++) bytes[i] = reinterpret_cast<const Bytes16 *>(chunk)[32 * i + laneId()];
		if (keys) {
			const Bytes8 two = reinterpret_cast<const Bytes8 *>(chunkScales)[laneId() / 4];
			for (int i = 0; i < 2; i++) scales.w[i] = two.w[i];
		} else {
			scales = reinterpret_cast<const Bytes16 *>(chunkScales)[laneId() % 4];
		}
	}

	// store dequantizes. A byte u is q+128, and 0x6400 | u the half 1024 + u.
	__device__ void store(uint8 *chunk) const {
		constexpr half2 offset = 0xe480e480; // -1152, twice
		for (int j = 0; j < 4; j++) {
			Operands o;
			for (int i = 0; i < 4; i++) {
				const half2 u = permute(bytes[j / 2].w[j % 2 * 2 + i / 2], 0x64646464, i % 2 ? 0x4342 : 0x4140);
				const half2 scale = keys ? permute(scales.w[j / 2], 0, j % 2 ? 0x3232 : 0x1010) : scales.w[i];
				o.w[i] = mulHalves(addHalves(u, offset), scale);
			}
			reinterpret_cast<Operands *>(chunk)[32 * j + laneId()] = o;
		}
	}
};

// Rows is a warp's queries, m tiles of 16, and what they have of a split so far. A lane has queries lane/4 and 8 more of
// every tile.
template <int chunks, int m> struct Rows {
	static constexpr int dim = 32 * chunks;
	int seen[m][2];   // keys of the split; none or fewer: the query has no part in it
	int most, least;  // of seen in the warp, least among those that see any
	float peak[m][2]; // what scores are taken relative to: the largest so far, less slack at most
	float sum[m][4];  // of weights, twice
	float out[m][4 * chunks][4];

	__device__ void start(const AttendArgs &a, const Work &w, int position) {
		const uint32 group = a.group;
		most = 0, least = 0x7fffffff;
#pragma unroll
		for (int i = 0; i < m; i++)
			for (int h = 0; h < 2; h++) {
				const int row = uint32(query(w, i, h)) / group;
				const int n = row < w.fromRow || row >= w.toRow ? 0 : ::seen(a, w, position, row) - w.from;
				seen[i][h] = n;
				most = larger(most, n);
				if (n > 0) least = smaller(least, n);
			}
		for (int mask = 4; mask < 32; mask *= 2) {
			most = larger(most, shuffleXor(most, mask));
			least = smaller(least, shuffleXor(least, mask));
		}
		clear();
	}

	// clear forgets the keys so far.
	__device__ void clear() {
#pragma unroll
		for (int i = 0; i < m; i++) {
			for (int h = 0; h < 2; h++) peak[i][h] = lowest;
			for (int e = 0; e < 4; e++) sum[i][e] = 0;
			for (int d = 0; d < 4 * chunks; d++)
				for (int e = 0; e < 4; e++) out[i][d][e] = 0;
		}
	}

	// query is the number of query lane/4 + 8h of tile i.
	__device__ static int query(const Work &w, int i, int h) {
		return w.firstQuery + (warpId() * m + i) * 16 + 8 * h + laneId() / 4;
	}

	// attend adds a tile, keys and values as halves. queries are the warp's own, in shared memory. Products that add to the same sums
	// stand 8 apart, as one waits for the one before.
	__device__ void attend(const Bytes16 *queries, const uint8 *keys, int tile) {
		if (tile * tileKeys >= most) return;
		constexpr int apart = 2 / m, wide = chunks > 1 ? 2 / m : 1;
		constexpr int chunkBytes = 2 * chunkElems;
		const uint8 *values = keys + tileGroups * chunks * chunkBytes;

		float s[m][8][4] = {};
#pragma unroll
		for (int c = 0; c < chunks; c++) {
			Bytes16 q[m][2];
			for (int i = 0; i < m; i++)
				for (int half = 0; half < 2; half++) q[i][half] = queries[((i * chunks + c) * 2 + half) * 32 + laneId()];
			for (int g = 0; g < tileGroups; g += apart) {
				Operands k[apart][4];
				for (int n = 0; n < apart; n++) operands(keys + ((g + n) * chunks + c) * chunkBytes, k[n]);
				for (int half = 0; half < 2; half++)
					for (int n = 0; n < apart; n++)
						for (int j = 0; j < 4; j++)
							for (int i = 0; i < m; i++)
								mmaF16(s[i][4 * (g + n) + j], q[i][half].w, k[n][j].w[2 * half], k[n][j].w[2 * half + 1]);
			}
		}
		if (least < (tile + 1) * tileKeys) hide(s, tile);
		weigh(s);
		half2 p[m][4][4]; // the first operand, 16 keys at a time
#pragma unroll
		for (int i = 0; i < m; i++)
			for (int n = 0; n < 8; n++)
				for (int h = 0; h < 2; h++) p[i][n / 2][n % 2 * 2 + h] = halvesOf(s[i][n][2 * h], s[i][n][2 * h + 1]);
		constexpr half2 ones = 0x3c003c00;
#pragma unroll
		for (int c = 0; c < chunks; c += wide)
			for (int g = 0; g < tileGroups; g++) {
				Operands v[wide][4];
				for (int n = 0; n < wide; n++) operands(values + (g * chunks + c + n) * chunkBytes, v[n]);
				for (int half = 0; half < 2; half++) {
					for (int n = 0; n < wide; n++)
						for (int j = 0; j < 4; j++)
							for (int i = 0; i < m; i++)
								mmaF16(out[i][4 * (c + n) + j], p[i][2 * g + half], v[n][j].w[2 * half], v[n][j].w[2 * half + 1]);
					if (c == 0)
						for (int i = 0; i < m; i++) mmaF16(sum[i], p[i][2 * g + half], ones, ones);
				}
			}
	}

	// hide takes out the scores of keys that a query does not see. Column 2t+e of tile j is key 8t + 2j + e.
	__device__ void hide(float (&s)[m][8][4], int tile) const {
#pragma unroll
		for (int i = 0; i < m; i++)
			for (int n = 0; n < 8; n++)
				for (int e = 0; e < 4; e++) {
					int key = tile * tileKeys + n / 4 * 32 + laneId() % 4 * 8 + n % 4 * 2 + e % 2;
					if (key >= seen[i][e / 2]) s[i][n][e] = -infinity();
				}
	}

	// weigh replaces scores by exp2(score - peak). A peak rises only where a score is above it by more than slack: weights are then
	// at most 2^slack, which half takes, and sums seldom have to be multiplied.
	__device__ void weigh(float (&s)[m][8][4]) {
		constexpr float slack = 8;
#pragma unroll
		for (int i = 0; i < m; i++) {
			float top[2] = {s[i][0][0], s[i][0][2]};
			for (int n = 0; n < 8; n++)
				for (int e = n == 0; e < 4; e++) top[e / 2] = fmaxf(top[e / 2], s[i][n][e]);
			if (anyLane(top[0] > peak[i][0] + slack || top[1] > peak[i][1] + slack)) {
				for (int h = 0; h < 2; h++) {
					top[h] = fmaxf(top[h], shuffleXor(top[h], 1));
					top[h] = fmaxf(top[h], shuffleXor(top[h], 2));
					const bool rises = top[h] > peak[i][h] + slack;
					const float shrink = rises ? exp2Fast(peak[i][h] - top[h]) : 1;
					if (rises) peak[i][h] = top[h];
					for (int e = 0; e < 2; e++) sum[i][2 * h + e] *= shrink;
					for (int d = 0; d < 4 * chunks; d++)
						for (int e = 0; e < 2; e++) out[i][d][2 * h + e] *= shrink;
				}
			}
			for (int n = 0; n < 8; n++)
				for (int e = 0; e < 4; e++) s[i][n][e] = exp2Fast(s[i][n][e] - peak[i][e / 2]);
		}
	}

	// finish writes the parts.
	__device__ void finish(const AttendArgs &a, const Work &w) {
		int t = laneId() % 4;
#pragma unroll
		for (int i = 0; i < m; i++)
			for (int h = 0; h < 2; h++) {
				if (seen[i][h] <= 0) continue;
				const float total = sum[i][2 * h];
				uint32 q = query(w, i, h), row = q / uint32(a.group);
				int64 at = (int64(w.split) * a.rows + row) * a.heads + w.kvHead * a.group + (q - row * a.group);
				if (t == 0) a.parts[at] = {peak[i][h], total};
				float inverse = reciprocalFast(total);
				for (int c = 0; c < chunks; c++) {
					Bytes16 v;
					for (int j = 0; j < 4; j++)
						v.w[j] = halvesOf(out[i][4 * c + j][2 * h] * inverse, out[i][4 * c + j][2 * h + 1] * inverse);
					*reinterpret_cast<Bytes16 *>(a.out + 2 * (at * dim + 32 * c + 8 * t)) = v;
				}
			}
	}
};

// A block has four warps, so that two blocks with a register file's full share of registers find room on a multiprocessor.
constexpr int tileWarps = 4, tileThreads = 32 * tileWarps;

// copyBlock starts copying bytes of global to shared memory, a run of 512 bytes by a warp after the other: an instruction has room
// for such distances.
template <int bytes> __device__ inline void copyBlock(uint8 *to, const uint8 *from) {
	constexpr int run = 16 * 32, each = bytes / (run * tileWarps), all = each * run * tileWarps;
	const int at = warpId() * (each * run) + laneId() * 16, last = all + 16 * threadIdx.x;
#pragma unroll
	for (int i = 0; i < each; i++) copyAsync(to + at + i * run, from + at + i * run);
	if (all < bytes && last < bytes) copyAsync(to + last, from + last);
}

// Tiles of keys, and the values behind them, pass through shared memory: one is computed with while the next is on its way. Those of
// f16 take two places in turn. Those of q8_0 are all copied to one place and dequantized to another, once for all warps.
template <int chunks, bool q8> struct KeyTiles {
	static constexpr int groupBytes = chunks * (q8 ? chunkElems + 64 : 2 * chunkElems);
	static constexpr int copiedBytes = tileGroups * groupBytes, halfBytes = tileGroups * chunks * 2 * chunkElems; // of keys
	uint8 *const at;
	int place = q8; // where the next is copied to

	__device__ void fetch(const Work &w, int tile) const {
		uint8 *to = at + place * (2 * halfBytes);
		copyBlock<copiedBytes>(to, w.keys + int64(tile) * copiedBytes);
		copyBlock<copiedBytes>(to + copiedBytes, w.values + int64(tile) * copiedBytes);
	}

	// take gives the tile that was fetched last, as halves, when it is there and all have used the one before.
	__device__ const uint8 *take() {
		waitCopies<0>();
		__syncthreads();
		const uint8 *tile = at;
		if constexpr (q8) {
			dequantize();
			__syncthreads();
		} else {
			tile += place * (2 * halfBytes);
			place ^= 1;
		}
		return tile;
	}

	// dequantize does a warp's share. All it loads is on its way before the first is needed.
	__device__ void dequantize() const {
		constexpr int all = tileGroups * chunks, each = ceilDiv(all, tileWarps);
		const int warp = warpId() % tileWarps; // tells the compiler how many there are
		if (all < tileWarps && warp >= all) return;
		Q8Chunk<true> keys[each];
		Q8Chunk<false> values[each];
		for (int i = 0; i < each; i++) {
			const int group = (i * tileWarps + warp) / chunks, chunk = (i * tileWarps + warp) % chunks;
			const uint8 *from = at + 2 * halfBytes + group * groupBytes;
			const uint8 *bytes = from + chunk * chunkElems, *scales = from + chunks * chunkElems + chunk * 64;
			keys[i].load(bytes, scales);
			values[i].load(bytes + copiedBytes, scales + copiedBytes);
		}
		for (int i = 0; i < each; i++) {
			uint8 *to = at + (i * tileWarps + warp) * (2 * chunkElems);
			keys[i].store(to);
			values[i].store(to + halfBytes);
		}
	}
};

// copyQueries does so with a block's queries.
template <int bytes> __device__ inline void copyQueries(uint8 *to, const AttendArgs &a, const Work &w, int dim) {
	copyBlock<bytes>(to, a.queries + w.kvHead * a.queryBytes + int64(w.firstQuery) * dim * 2);
}

// attendTiles: a block has some queries in shared memory, 16m for each warp, and tiles of keys and values pass by.
template <int chunks, bool q8, int m> __device__ inline void attendTiles(const AttendArgs &a, int position, int item, Work w) {
	constexpr CacheType type = q8 ? cacheQ8 : cacheF16;
	constexpr int dim = 32 * chunks, queryBits = m == 1 ? 6 : 7, queryBytes = 2 * dim << queryBits;
	static_assert(1 << queryBits == 16 * m * tileWarps);
	uint8 *queries = sharedMemory();
	KeyTiles<chunks, q8> tiles{queries + queryBytes};
	tiles.fetch(w, 0);
	copyQueries<queryBytes>(queries, a, w, dim);
	commitCopies();

	const Bytes16 *own = reinterpret_cast<const Bytes16 *>(queries) + warpId() * m * chunks * 64;
	Rows<chunks, m> rows;
	for (;;) {
		rows.start(a, w, position);
		Work next; // found while the first tile is on its way
		item = find(a, type, queryBits, position, item + gridDim.x, next);
		for (int tile = 0; tile < w.tiles; tile++) {
			const uint8 *keys = tiles.take();
			if (tile + 1 < w.tiles)
				tiles.fetch(w, tile + 1);
			else if (item >= 0)
				tiles.fetch(next, 0);
			commitCopies();
			rows.attend(own, keys, tile);
		}
		rows.finish(a, w);
		if (item < 0) return;
		const bool others = next.kvHead != w.kvHead || next.firstQuery != w.firstQuery;
		w = next;
		if (others) {
			__syncthreads(); // all have used those before
			copyQueries<queryBytes>(queries, a, w, dim);
			commitCopies();
		}
	}
}

// attendMost takes up to m tiles of 16 queries a warp: two, which share what is loaded and dequantized, if there is about as much work
// as blocks even so. Else one, for twice as many warps at work.
template <int chunks, bool q8, int m> __device__ inline void attendMost(const AttendArgs &a) {
	releaseNext();
	Work w;
	int item;
	bool two = false;
	auto look = [&](int position) {
		if constexpr (m == 2) {
			const int seen = position + a.passRows, size = a.splits.keys(seen), groups = ceilDiv(a.rows * a.group, 32 * tileWarps);
			two = 4 * pieces(seen, size) * groups * a.kvHeads > 3 * gridDim.x;
		}
		item = find(a, q8 ? cacheQ8 : cacheF16, two ? 7 : 6, position, blockIdx.x, w);
	};
	// The position is hardly ever still to change, so the first tiles are brought near while the kernel before ends.
	int position = guess(&a.control->position);
	look(position);
	if (item >= 0 && !w.block) {
		constexpr int tileBytes = KeyTiles<chunks, q8>::copiedBytes;
		const int64 from = int64(w.from / tileKeys) * tileBytes, bytes = smaller(w.tiles, 2) * tileBytes;
		if (from + bytes <= a.headBytes) {
			prefetchSpan({w.keys, bytes}, 0, 1);
			prefetchSpan({w.values, bytes}, 0, 1);
		}
	}
	awaitBefore();
	const int now = a.control->position;
	if (now != position) look(position = now);
	if (item < 0) {
		prefetchSpan(a.ahead, blockIdx.x, gridDim.x); // a share of it
		return;
	}
	if constexpr (m == 2) {
		if (two) {
			attendTiles<chunks, q8, 2>(a, position, item, w);
			return;
		}
	}
	attendTiles<chunks, q8, 1>(a, position, item, w);
}

// Names say the cache's type, the head dim, and the tiles of 16 queries that a warp has at most: two pay off where keys are to be
// dequantized.
#define ATTEND(name, chunks, q8, m) \
	extern "C" __global__ void __launch_bounds__(tileThreads, 2) name(AttendArgs a) { attendMost<chunks, q8, m>(a); }
ATTEND(attend_f16_32_1, 1, false, 1)
ATTEND(attend_f16_64_1, 2, false, 1)
ATTEND(attend_f16_128_1, 4, false, 1)
ATTEND(attend_q8_32_1, 1, true, 1)
ATTEND(attend_q8_64_1, 2, true, 1)
ATTEND(attend_q8_128_1, 4, true, 1)
ATTEND(attend_q8_32_2, 1, true, 2)
ATTEND(attend_q8_64_2, 2, true, 2)
ATTEND(attend_q8_128_2, 4, true, 2)
#undef ATTEND
