// Products of quantized weights with many rows of activations, in prompts: the same arithmetic as matmul.cuh, so the same bits.
//
// Here instructions are the limit. A warp computes 64 x 32 sums (4 x 4 tiles), so that it unpacks a fragment of weights for 4
// products of matrices and loads one of activations for 4. Per product mma.m16n8k32, 4096 multiply-adds, a scheduler starts about
// 11 instructions for q4_k (4 of them multiply by scales) and 14 for q8_0 (12 of them are the chain).
#pragma once
#include "matmul.cuh"

constexpr int warpTiles = 4; // of 16 rows, and of 8 columns

// Block is where the warps of a block are: 4 beside each other over columns, the others below over rows.
struct Block {
	const Product *p;
	int tile, column; // first tile of rows, first tile of columns

	__device__ Block(const ProductsArgs &a) {
		constexpr int across = 4;
		const int columns = ceilDiv(a.acts.rows, actRows * warpTiles * across);
		int row = blockIdx.x / columns, product = 0;
		while (row >= a.list[product].end) product++;
		p = &a.list[product];
		if (product > 0) row -= a.list[product - 1].end;
		tile = (row * int(blockDim.x / 32 / across) + warpId() / across) * warpTiles;
		column = (int(blockIdx.x % columns) * across + warpId() % across) * warpTiles;
	}
};

// Stage is what a warp multiplies at a time: a chunk of each tile. Tiles beyond the matrices are the last one again.
template <class T, class Chunk> struct Stage {
	Bytes16 b[warpTiles];
	Chunk w[warpTiles];

	__device__ void load(const uint8 *const (&records)[warpTiles], const uint8 *const (&rows)[warpTiles], int group, int c) {
#pragma unroll
		for (int n = 0; n < warpTiles; n++)
			b[n] = load16(records[n] + int64(group) * actRecord + 512 * c + 16 * laneId());
#pragma unroll
		for (int m = 0; m < warpTiles; m++) T::template loadChunk<false>(w[m], rows[m] + int64(group) * T::unit + T::chunk * c, laneId());
	}
	__device__ static Bytes16 load16(const uint8 *p) { return *reinterpret_cast<const Bytes16 *>(p); }
};

template <class T> __device__ inline uint32 wordAt(const T *p) { return *reinterpret_cast<const uint32 *>(p); }

using WarpSums = float[warpTiles][warpTiles][4];

// Sums is the chain of each tile, and in form 256 the sums of scale*S that it takes next.
template <class T> struct Sums32 {
	using Chunk = Chunk32;
	WarpSums acc = {};

	__device__ void finish(WarpSums &to) const {
#pragma unroll
		for (int i = 0; i < warpTiles * warpTiles * 4; i++) to[i / 16][i / 4 % 4][i % 4] = acc[i / 16][i / 4 % 4][i % 4];
	}
	__device__ void add(const Stage<T, Chunk> &s, const uint8 *const (&heads)[warpTiles], const uint8 *const (&records)[warpTiles], int c) {
		const int g = laneId() / 4, t = laneId() % 4;
		float act[warpTiles][2][2]; // A of columns 2t, 2t+1 in blocks j
#pragma unroll
		for (int n = 0; n < warpTiles; n++)
			for (int i = 0; i < 2; i++) {
				const float *scales = reinterpret_cast<const float *>(records[n] + actScales32) + 4 * (actRows * (c / 2) + 2 * t + i) + c % 2 * 2;
#pragma unroll
				for (int j = 0; j < 2; j++) act[n][i][j] = scales[j];
			}
#pragma unroll
		for (int m = 0; m < warpTiles; m++) {
			uint32 d[2];
			for (int i = 0; i < 2; i++) d[i] = wordAt(heads[m] + 8 * (tileRows * (c / 2) + g + 8 * i) + c % 2 * 4);
#pragma unroll
			for (int j = 0; j < 2; j++) {
				uint32 a[4];
				T::fragment(s.w[m], j, a);
				const float weight[2] = {floatOfHalf(half(d[0] >> 16 * j)), floatOfHalf(half(d[1] >> 16 * j))};
#pragma unroll
				for (int n = 0; n < warpTiles; n++) {
					int32 v[4] = {0x4b400000, 0x4b400000, 0x4b400000, 0x4b400000}; // as in matmul.cuh
					mmaS8(v, a, s.b[n].w[2 * j], s.b[n].w[2 * j + 1]);
					constexpr float unshift = 1.0f / (1 << T::lowShift);
					for (int i = 0; i < 4; i++) {
						const float sum = fmaf(floatOf(v[i]), unshift, -12582912.0f * unshift);
						acc[m][n][i] = fmaf(weight[i / 2] * act[n][i % 2][j], sum, acc[m][n][i]);
					}
				}
			}
		}
	}
	__device__ void finishGroup(const uint8 *const (&)[warpTiles], const uint8 *const (&)[warpTiles]) {}
};

template <class T> struct Sums256 {
	using Chunk = Chunk256;
	Bytes16 *chain; // [m][n][lane] in shared memory, as it is needed once a group
	int32 dots[warpTiles][warpTiles][4] = {};

	__device__ Sums256() : chain(reinterpret_cast<Bytes16 *>(sharedMemory()) + warpId() * warpTiles * warpTiles * 32 + laneId()) {
		for (int i = 0; i < warpTiles * warpTiles; i++) chain[32 * i] = Bytes16{};
	}
	__device__ void finish(WarpSums &acc) const {
#pragma unroll
		for (int i = 0; i < warpTiles * warpTiles * 4; i++) acc[i / 16][i / 4 % 4][i % 4] = floatOf(chain[i / 4 * 32].w[i % 4]);
	}

	static constexpr bool isQ6_K = T::unit == Q6_K::unit;

	__device__ void add(const Stage<T, Chunk> &s, const uint8 *const (&heads)[warpTiles], const uint8 *const (&)[warpTiles], int c) {
		const int g = laneId() / 4;
#pragma unroll
		for (int m = 0; m < warpTiles; m++) {
			uint32 scales[2]; // of the chunk, a byte each
			for (int i = 0; i < 2; i++) scales[i] = wordAt(heads[m] + 16 * (g + 8 * i) + (isQ6_K ? 4 * c : 4 + c / 2 * 4));
			if constexpr (isQ6_K)
				for (int j = 0; j < 4; j++) {
					uint32 a[2];
					T::fragment(s.w[m], j, a);
#pragma unroll
					for (int n = 0; n < warpTiles; n++) {
						int32 v[4] = {};
						mmaS8(v, a[0], a[1], s.b[n].w[j]);
						for (int i = 0; i < 4; i++) dots[m][n][i] += int32(int8(scales[i / 2] >> 8 * j)) * v[i];
					}
				}
			else {
				for (int i = 0; i < 2; i++) scales[i] = (c % 2 ? scales[i] >> 16 : scales[i]) & 0x3f3f;
#pragma unroll
				for (int j = 0; j < 2; j++) {
					uint32 a[4];
					T::fragment(s.w[m], j, a);
#pragma unroll
					for (int n = 0; n < warpTiles; n++) {
						int32 v[4] = {};
						mmaU8(v, a, s.b[n].w[2 * j], s.b[n].w[2 * j + 1]);
						for (int i = 0; i < 4; i++) dots[m][n][i] += byteOf(scales[i / 2], j) * v[i];
					}
				}
			}
		}
	}
	__device__ void finishGroup(const uint8 *const (&heads)[warpTiles], const uint8 *const (&records)[warpTiles]) {
		const int g = laneId() / 4, t = laneId() % 4;
#pragma unroll
		for (int m = 0; m < warpTiles; m++) {
			Bytes16 row[2];
			float d[2], dmin[2];
			uint32 mins[2];
			if constexpr (isQ6_K) {
				const uint32 both = wordAt(heads[m] + 256 + 4 * g);
				for (int i = 0; i < 2; i++) d[i] = floatOfHalf(half(both >> 16 * i));
			} else
				for (int i = 0; i < 2; i++) {
					row[i] = *reinterpret_cast<const Bytes16 *>(heads[m] + 16 * (g + 8 * i));
					d[i] = floatOfHalf(half(row[i].w[0])), dmin[i] = floatOfHalf(half(row[i].w[0] >> 16));
					mins[i] = minsOf(row[i], t % 2);
				}
#pragma unroll
			for (int n = 0; n < warpTiles; n++) {
				const Bytes16 behind = *reinterpret_cast<const Bytes16 *>(records[n] + actSums + 16 * laneId());
				const float scales[2] = {floatOf(behind.w[2]), floatOf(behind.w[3])};
				Bytes16 &kept = chain[(m * warpTiles + n) * 32];
				Bytes16 v = kept;
				float to[4];
				for (int i = 0; i < 4; i++) to[i] = floatOf(v.w[i]);
				for (int i = 0; i < 4; i++) {
					const int32 v = dots[m][n][i] >> (i < 2 ? T::lowShift : T::highShift);
					to[i] = fmaf(d[i / 2] * scales[i % 2], float(v), to[i]);
					dots[m][n][i] = 0;
				}
				if constexpr (!isQ6_K) {
					int32 v[4] = {}; // as in matmul.cuh
					mmaS8(v, t < 2 ? 0 : mins[0], t < 2 ? 0 : mins[1], behind.w[0]);
					for (int i = 0; i < 4; i++) v[i] *= 128;
					mmaS8(v, t < 2 ? mins[0] : 0, t < 2 ? mins[1] : 0, behind.w[0]);
					for (int i = 0; i < 4; i++) to[i] = fmaf(-(dmin[i / 2] * scales[i % 2]), float(v[i]), to[i]);
				}
				for (int i = 0; i < 4; i++) v.w[i] = bitsOf(to[i]);
				kept = v;
			}
		}
	}
};

template <class T, class Sums> __device__ inline void manyRows(WarpSums &acc, const ProductsArgs &a, const Block &block) {
	const Product &p = *block.p;
	const int groups = a.acts.groups, chunks = 4 * groups;
	const uint8 *records[warpTiles], *rows[warpTiles];
#pragma unroll
	for (int n = 0; n < warpTiles; n++)
		records[n] = a.acts.at + int64(smaller(block.column + n, (a.acts.rows - 1) / actRows)) * groups * actRecord;
#pragma unroll
	for (int m = 0; m < warpTiles; m++)
		rows[m] = p.weights + int64(smaller(block.tile + m, (p.rows - 1) / tileRows)) * groups * T::unit;

	Sums sums;
	Stage<T, typename Sums::Chunk> stage;
	stage.load(records, rows, 0, 0);
#pragma unroll 1
	for (int i = 0; i < chunks; i++) {
		const Stage<T, typename Sums::Chunk> now = stage;
		const int next = smaller(i + 1, chunks - 1), group = i / 4;
		stage.load(records, rows, next / 4, next % 4);
		const uint8 *heads[warpTiles], *acts[warpTiles];
#pragma unroll
		for (int m = 0; m < warpTiles; m++) heads[m] = rows[m] + int64(group) * T::unit + 4 * T::chunk;
#pragma unroll
		for (int n = 0; n < warpTiles; n++) acts[n] = records[n] + int64(group) * actRecord;
		sums.add(now, heads, acts, i % 4);
		if (i % 4 == 3) sums.finishGroup(heads, acts);
	}
	sums.finish(acc);
}

__device__ inline void store(const WarpSums &acc, const ProductsArgs &a, const Block &block) {
#pragma unroll
	for (int m = 0; m < warpTiles; m++)
#pragma unroll
		for (int n = 0; n < warpTiles; n++) store(acc[m][n], a, *block.p, block.tile + m, (block.column + n) * actRows);
}

extern "C" __global__ void __launch_bounds__(256) prompt32(const __grid_constant__ ProductsArgs a) {
	const Block block(a);
	WarpSums acc;
	if (block.p->format == typeQ8_0) manyRows<Q8_0, Sums32<Q8_0>>(acc, a, block);
	else manyRows<Q4_0, Sums32<Q4_0>>(acc, a, block);
	store(acc, a, block);
}

extern "C" __global__ void __launch_bounds__(256) prompt256(const __grid_constant__ ProductsArgs a) {
	const Block block(a);
	WarpSums acc;
	if (block.p->format == typeQ4_K) manyRows<Q4_K, Sums256<Q4_K>>(acc, a, block);
	else if (block.p->format == typeQ5_K) manyRows<Q5_K, Sums256<Q5_K>>(acc, a, block);
	else manyRows<Q6_K, Sums256<Q6_K>>(acc, a, block);
	store(acc, a, block);
}
