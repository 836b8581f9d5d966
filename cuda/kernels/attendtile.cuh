// Attention over an f16 or q8_0 cache, on tensor cores.
#pragma once
#include "attention.cuh"

// Operands are the second operand of two products for one tile of columns, 8 terms in a lane: halves {0, 1}, {2, 3} of the
// first product, then of the second.
struct Operands {
	half2 b[4];
};

// dequantize turns 8 bytes, q+128, and their scales to halves. 0x6400 | u is the half 1024 + u.
__device__ inline Operands dequantize(uint32 low, uint32 high, const half2 (&scales)[4]) {
	constexpr half2 offset = 0xe480e480; // -1152, twice
	Operands o;
	for (int i = 0; i < 4; i++) {
		half2 u = permute(i < 2 ? low : high, 0x64646464, i % 2 ? 0x4342 : 0x4140);
		o.b[i] = mulHalves(addHalves(u, offset), scales[i]);
	}
	return o;
}

// A group of 32 keys or values in shared memory, its chunks of 32 values of the head.
template <int chunks, bool q8> struct Group {
	static constexpr int bytes = chunks * (q8 ? chunkElems + 64 : 2 * chunkElems);
	const uint8 *at;

	// operands gives those of a chunk's four column tiles.
	__device__ void operands(int chunk, bool keys, Operands (&o)[4]) const {
		int lane = laneId();
		const Bytes16 *b = reinterpret_cast<const Bytes16 *>(at) + chunk * (chunkElems / (q8 ? 16 : 8)) + lane;
		if constexpr (!q8) {
			for (int j = 0; j < 4; j++) {
				Bytes16 v = b[32 * j];
				for (int i = 0; i < 4; i++) o[j].b[i] = v.w[i];
			}
		} else {
			const uint8 *scales = at + chunks * chunkElems + 64 * chunk;
			half2 s[4];
			if (keys) { // one for a column
				Bytes8 v = *reinterpret_cast<const Bytes8 *>(scales + lane / 4 * 8);
				for (int i = 0; i < 4; i++) s[i] = permute(v.w[i / 2], 0, i % 2 ? 0x3232 : 0x1010);
			} else { // one for a term
				Bytes16 v = *reinterpret_cast<const Bytes16 *>(scales + lane % 4 * 16);
				for (int i = 0; i < 4; i++) s[i] = v.w[i];
			}
			for (int j = 0; j < 4; j += 2) {
				Bytes16 v = b[16 * j];
				for (int i = 0; i < 2; i++) {
					if (keys) {
						half2 same[4] = {s[j + i], s[j + i], s[j + i], s[j + i]};
						o[j + i] = dequantize(v.w[2 * i], v.w[2 * i + 1], same);
					} else {
						o[j + i] = dequantize(v.w[2 * i], v.w[2 * i + 1], s);
					}
				}
			}
		}
	}
};

// Rows is a warp's queries, m tiles of 16, and what they have of a split so far. A lane has queries lane/4 and 8 more of
// every tile.
template <int chunks, bool q8, int m> struct Rows {
	static constexpr int dim = 32 * chunks;
	int seen[m][2]; // keys of the split, 0 for a query that is not there
	float peak[m][2], sum[m][2];
	float out[m][4 * chunks][4];

	__device__ void start(const AttendArgs &a, const Work &w, int position) {
		int group = a.heads / a.kvHeads;
#pragma unroll
		for (int i = 0; i < m; i++) {
			for (int h = 0; h < 2; h++) {
				int row = query(w, i, h) / group;
				seen[i][h] = row < w.fromRow || row >= w.toRow ? 0 : ::seen(a, w, position, row) - w.from;
				peak[i][h] = -infinity();
				sum[i][h] = 0;
			}
			for (int d = 0; d < 4 * chunks; d++)
				for (int e = 0; e < 4; e++) out[i][d][e] = 0;
		}
	}

	// query is the number of query lane/4 + 8h of tile i.
	__device__ static int query(const Work &w, int i, int h) {
		return w.firstQuery + (warpId() * m + i) * 16 + 8 * h + laneId() / 4;
	}

	// attend adds a tile. queries are the warp's own, in shared memory.
	__device__ void attend(const Bytes16 *queries, const uint8 *keys, const uint8 *values, int tile) {
		int most = 0, least = tileKeys; // of the tile's keys, that some and that all queries see
#pragma unroll
		for (int i = 0; i < m; i++)
			for (int h = 0; h < 2; h++) {
				most = larger(most, seen[i][h] - tile * tileKeys);
				least = smaller(least, seen[i][h] - tile * tileKeys);
			}
		if (!anyLane(most > 0)) return;

		float s[m][8][4] = {};
#pragma unroll
		for (int c = 0; c < chunks; c++) {
			Bytes16 q[m][2];
			for (int i = 0; i < m; i++)
				for (int half = 0; half < 2; half++) q[i][half] = queries[((i * chunks + c) * 2 + half) * 32 + laneId()];
			for (int g = 0; g < 2; g++) {
				Operands k[4];
				Group<chunks, q8>{keys + g * Group<chunks, q8>::bytes}.operands(c, true, k);
				for (int half = 0; half < 2; half++) // a product waits for the one before it with the same sums
					for (int j = 0; j < 4; j++)
						for (int i = 0; i < m; i++) mmaF16(s[i][4 * g + j], q[i][half].w, k[j].b[2 * half], k[j].b[2 * half + 1]);
			}
		}
		if (anyLane(least < tileKeys)) hide(s, tile);
		weigh(s);
		half2 p[m][4][4]; // the first operand, 16 keys at a time
#pragma unroll
		for (int i = 0; i < m; i++)
			for (int n = 0; n < 8; n++)
				for (int h = 0; h < 2; h++) p[i][n / 2][n % 2 * 2 + h] = halvesOf(s[i][n][2 * h], s[i][n][2 * h + 1]);
#pragma unroll
		for (int c = 0; c < chunks; c++)
			for (int g = 0; g < 2; g++) {
				Operands v[4];
				Group<chunks, q8>{values + g * Group<chunks, q8>::bytes}.operands(c, false, v);
				for (int half = 0; half < 2; half++)
					for (int j = 0; j < 4; j++)
						for (int i = 0; i < m; i++) mmaF16(out[i][4 * c + j], p[i][2 * g + half], v[j].b[2 * half], v[j].b[2 * half + 1]);
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

	// weigh replaces scores by exp2(score - peak), after the peaks have risen to those of the tile.
	__device__ void weigh(float (&s)[m][8][4]) {
#pragma unroll
		for (int i = 0; i < m; i++) {
			float top[2] = {peak[i][0], peak[i][1]};
			for (int n = 0; n < 8; n++)
				for (int e = 0; e < 4; e++) top[e / 2] = fmaxf(top[e / 2], s[i][n][e]);
			for (int h = 0; h < 2; h++) {
				top[h] = fmaxf(top[h], shuffleXor(top[h], 1));
				top[h] = fmaxf(top[h], shuffleXor(top[h], 2));
			}
			// Mostly no peak rises; by 1 nothing has to be multiplied.
			if (anyLane(top[0] > peak[i][0] || top[1] > peak[i][1])) {
				for (int h = 0; h < 2; h++) {
					float shrink = top[h] > peak[i][h] ? exp2Fast(peak[i][h] - top[h]) : 1;
					sum[i][h] *= shrink;
					for (int d = 0; d < 4 * chunks; d++)
						for (int e = 0; e < 2; e++) out[i][d][2 * h + e] *= shrink;
					peak[i][h] = top[h];
				}
			}
			for (int h = 0; h < 2; h++)
				if (top[h] == -infinity()) top[h] = 0; // a query that sees no key yet
			for (int n = 0; n < 8; n++)
				for (int e = 0; e < 4; e++) {
					s[i][n][e] = exp2Fast(s[i][n][e] - top[e / 2]);
					sum[i][e / 2] += s[i][n][e];
				}
		}
	}

	// finish writes the parts.
	__device__ void finish(const AttendArgs &a, const Work &w) {
		int t = laneId() % 4;
#pragma unroll
		for (int i = 0; i < m; i++)
			for (int h = 0; h < 2; h++) {
				float total = sum[i][h];
				total += shuffleXor(total, 1);
				total += shuffleXor(total, 2);
				if (seen[i][h] <= 0) continue;
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

// attendTiles: a block has some queries in shared memory, 16m for each warp, and tiles of keys and values pass through two
// stages: one is computed with while the other is filled.
template <int chunks, bool q8, int m> __device__ inline void attendTiles(const AttendArgs &a) {
	releaseNext();
	awaitBefore();
	constexpr CacheType type = q8 ? cacheQ8 : cacheF16;
	constexpr int dim = 32 * chunks, tileBytes = tileKeys / groupKeys * Group<chunks, q8>::bytes;
	const int warps = blockDim.x / 32, queryBits = __ffs(16 * m * warps) - 1, position = a.control->position;
	const int queryBytes = 2 * dim << queryBits;
	uint8 *queries = sharedMemory(), *stages = queries + queryBytes;

	Work w;
	int item = find(a, type, queryBits, position, blockIdx.x, w);
	if (item < 0) {
		prefetchSpan(a.ahead, blockIdx.x, gridDim.x); // a share of it
		return;
	}
	auto fetch = [&](const Work &w, int tile, int stage) {
		const uint8 *keys = w.keys + int64(tile) * tileBytes, *values = w.values + int64(tile) * tileBytes;
		uint8 *to = stages + stage * (2 * tileBytes);
		for (int i = 16 * threadIdx.x; i < tileBytes; i += 16 * blockDim.x) {
			copyAsync(to + i, keys + i);
			copyAsync(to + tileBytes + i, values + i);
		}
	};
	fetch(w, 0, 0);
	commitCopies();

	Rows<chunks, q8, m> rows;
	int stage = 0, kvHead = -1, firstQuery = -1;
	for (;;) {
		rows.start(a, w, position);
		if (w.kvHead != kvHead || w.firstQuery != firstQuery) {
			__syncthreads(); // all have used those before
			kvHead = w.kvHead, firstQuery = w.firstQuery;
			const uint8 *src = a.queries + kvHead * a.queryBytes + int64(firstQuery) * dim * 2;
			for (int i = 16 * threadIdx.x; i < queryBytes; i += 16 * blockDim.x)
				*reinterpret_cast<Bytes16 *>(queries + i) = *reinterpret_cast<const Bytes16 *>(src + i);
		}
		Work next;
		for (int tile = 0; tile < w.tiles; tile++) {
			waitCopies<0>();
			__syncthreads(); // the tile is there, and all have used the one before
			if (tile + 1 < w.tiles) {
				fetch(w, tile + 1, stage ^ 1);
			} else {
				item = find(a, type, queryBits, position, item + gridDim.x, next);
				if (item >= 0) fetch(next, 0, stage ^ 1);
			}
			commitCopies();
			const uint8 *keys = stages + stage * (2 * tileBytes);
			rows.attend(reinterpret_cast<const Bytes16 *>(queries) + warpId() * m * chunks * 64, keys, keys + tileBytes, tile);
			stage ^= 1;
		}
		rows.finish(a, w);
		if (item < 0) return;
		w = next;
	}
}

// Names say the cache's type, the head dim, and the tiles of 16 queries that a warp has. Two share what a warp dequantizes.
#define ATTEND(name, chunks, q8, m) \
	extern "C" __global__ void __launch_bounds__(256 / m, 2) name(AttendArgs a) { attendTiles<chunks, q8, m>(a); }
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
