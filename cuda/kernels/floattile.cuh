// Products of float weights with many rows of activations: the same chains as float.cuh's, so the same bits. The rows pass through
// shared memory, where a lane finds its values of 16 bytes of weights beside each other. A warp takes 8 rows of weights, 16 lanes 4,
// and a block `columns` rows of activations: so a lane loads 32 bytes of shared memory for 32 multiply-adds.
#pragma once
#include "float.cuh"

constexpr int tiledRows = 4, tiledWarps = 4;

template <class T, int columns> struct FloatTile {
	static constexpr int values = 128;           // of k in a stage
	static constexpr int step = 16 * T::values;  // in a chunk
	static constexpr int chunks = values / step; // in a stage
	// floats from a lane's values to the next one's: what 8 lanes load at a time is in different banks.
	static constexpr int stride = T::values == 8 ? 12 : 4;
	static constexpr int chunkFloats = 16 * stride; // of a column
	static constexpr int stageFloats = columns * chunks * chunkFloats;
	static constexpr int bytes = 2 * 4 * stageFloats;
	static_assert(bytes <= 2 * columns * 16 * 12 * 4, "floats.go asks for so much");

	// store puts four neighbours of a column to their lanes.
	__device__ static void store(float *stage, int column, int k, const Bytes16 &x) {
		float *chunk = stage + (column * chunks + k / step) * chunkFloats;
		for (int e = 0; e < 4; e++) chunk[(k + e) % 16 * stride + k % step / 16] = floatOf(x.w[e]);
	}
};

template <class T, int columns>
__device__ inline void tiledSums(float (&sum)[tiledRows][columns], const uint8 *const (&rows)[tiledRows], const FloatArgs &a, int column) {
	using Tile = FloatTile<T, columns>;
	constexpr int threads = 32 * tiledWarps, each = columns * Tile::values / 4 / threads; // 16 bytes that a thread brings
	float *const shared = reinterpret_cast<float *>(sharedMemory());
	const int j = laneId() % 16, stages = a.k % 4 == 0 ? a.k / Tile::values : 0;
	Bytes16 x[each];
	auto fetch = [&](int stage) {
#pragma unroll
		for (int i = 0; i < each; i++) {
			const int at = i * threads + threadIdx.x, c = at / (Tile::values / 4), k = at % (Tile::values / 4) * 4;
			const float *from = a.src + int64(smaller(column + c, a.rows - 1)) * a.k + stage * Tile::values + k;
			x[i] = *reinterpret_cast<const Bytes16 *>(from);
		}
	};
	auto weights = [&](Bytes16(&w)[tiledRows], int chunk) {
		for (int r = 0; r < tiledRows; r++) w[r] = load<columns <= 8, Bytes16>(rows[r] + int64(chunk) * floatChunk + 16 * j);
	};
	Bytes16 next[tiledRows];
	if (stages > 0) fetch(0), weights(next, 0);
#pragma unroll 1
	for (int stage = 0; stage < stages; stage++) {
		float *const here = shared + stage % 2 * Tile::stageFloats;
#pragma unroll
		for (int i = 0; i < each; i++) {
			const int at = i * threads + threadIdx.x;
			Tile::store(here, at / (Tile::values / 4), at % (Tile::values / 4) * 4, x[i]);
		}
		__syncthreads();
		if (stage + 1 < stages) fetch(stage + 1);
#pragma unroll
		for (int chunk = 0; chunk < Tile::chunks; chunk++) {
			Bytes16 w[tiledRows];
			for (int r = 0; r < tiledRows; r++) w[r] = next[r];
			const int following = stage * Tile::chunks + chunk + 1;
			if (following < stages * Tile::chunks) weights(next, following);
			const float *at = here + chunk * Tile::chunkFloats + j * Tile::stride;
#pragma unroll
			for (int c = 0; c < columns; c++)
				for (int i = 0; i < T::values; i += 4) {
					const Bytes16 v = *reinterpret_cast<const Bytes16 *>(at + c * Tile::chunks * Tile::chunkFloats + i);
					for (int e = 0; e < 4; e++)
						for (int r = 0; r < tiledRows; r++) sum[r][c] = fmaf(T::value(w[r], i + e), floatOf(v.w[e]), sum[r][c]);
				}
		}
	}
	// What is left of k, straight from memory.
	for (int from = stages * Tile::values; from < a.k; from += Tile::step) {
		Bytes16 w[tiledRows];
		weights(w, from / Tile::step);
		for (int i = 0; i < T::values; i++) {
			const int k = from + 16 * i + j;
			if (k < a.k)
#pragma unroll
				for (int c = 0; c < columns; c++) {
					const float x = a.src[int64(smaller(column + c, a.rows - 1)) * a.k + k];
					for (int r = 0; r < tiledRows; r++) sum[r][c] = fmaf(T::value(w[r], i), x, sum[r][c]);
				}
		}
	}
#pragma unroll
	for (int c = 0; c < columns; c++)
		for (int r = 0; r < tiledRows; r++)
			for (int with = 8; with > 0; with /= 2) sum[r][c] += shuffleXor(sum[r][c], with);
}

// The blocks of some rows of weights follow each other, so that all but the first find them in the L2 cache.
template <int columns> __device__ inline void tiledFloats(const FloatArgs &a) {
	releaseNext();
	awaitBefore();
	const int parts = ceilDiv(a.rows, columns), column = blockIdx.x % parts * columns;
	int block = blockIdx.x / parts;
	const Product &p = productOf(a, block);
	const int first = (2 * (block * tiledWarps + warpId()) + laneId() / 16) * tiledRows;
	const uint8 *rows[tiledRows]; // those beyond the matrix are the last one again
	float sum[tiledRows][columns] = {};
	const int64 bytes = floatRowBytes(p.format, a.k);
	for (int r = 0; r < tiledRows; r++) rows[r] = p.weights + smaller(first + r, p.rows - 1) * bytes;
	if (p.format == typeF32) tiledSums<FloatF32, columns>(sum, rows, a, column);
	else if (p.format == typeF16) tiledSums<FloatF16, columns>(sum, rows, a, column);
	else tiledSums<FloatBF16, columns>(sum, rows, a, column);
	const int mine = laneId() % 16; // stores what its 16 lanes have of this column, if there is one
#pragma unroll
	for (int c = 0; c < columns; c++)
		if (c == mine && column + c < a.rows)
			for (int r = 0; r < tiledRows; r++)
				if (first + r < p.rows) {
					float &to = p.dst[int64(column + c) * p.stride + first + r];
					to = a.add ? to + sum[r][c] : sum[r][c];
				}
}

extern "C" __global__ void __launch_bounds__(128) floatTiles8(const __grid_constant__ FloatArgs a) { tiledFloats<8>(a); }
extern "C" __global__ void __launch_bounds__(128) floatTiles16(const __grid_constant__ FloatArgs a) { tiledFloats<16>(a); }
