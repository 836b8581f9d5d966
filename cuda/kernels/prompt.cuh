// Products of quantized weights with many rows of activations, in prompts: the same arithmetic as matmul.cuh, so the same bits.
//
// Instructions are the limit here. Per product mma.m16n8k32 of weights and activations, which keeps an H100's tensor core busy
// for 6 cycles, a scheduler starts about 12 for q4_k (two of them are products, as weights take their scales in two parts),
// 16 for q6_k (8 multiply by scales) and 18 for q8_0 (12 are the chain). So what matters is that none waits: operands come
// through shared memory, 128 values ahead, and 16 warps take turns. They meet only that often, because right behind a barrier
// all load and none computes.
#pragma once
#include "matmul.cuh"

// A block computes 128 columns and, with 4, 8 or 16 warps, 32, 64 or 128 rows. Its warps stand in pairs, and each computes
// 8 tiles of 16 x 8 beside each other, so that it unpacks a fragment of weights for 8 products.
constexpr int warpColumns = 8, across = 2, blockColumns = across * warpColumns;
constexpr int mostRows = 8; // tiles of rows in a block, a warp has one

// Shared memory is twice what a phase takes, two chunks, and twice what belongs to a group of 256 values: heads, and what is
// behind the chunks of activations.
template <class T> struct Shared {
	static constexpr int head = T::unit - 4 * T::chunk, behind = T::form == form256 ? 512 : 256;
	static constexpr int phaseBytes = 2 * (blockColumns * 512 + mostRows * T::chunk);
	static constexpr int groupBytes = blockColumns * behind + mostRows * head;
	static constexpr int bytes = 2 * (phaseBytes + groupBytes);
	static_assert(bytes <= 80 << 10, "products.go asks for so much");

	uint8 *at;

	// c is the first of two chunks, 0 or 2.
	__device__ uint8 *column(int c, int n) const { return at + c / 2 * phaseBytes + n * 1024; }
	__device__ uint8 *row(int c, int m) const { return at + c / 2 * phaseBytes + blockColumns * 1024 + m * 2 * T::chunk; }
	__device__ uint8 *behindOf(int group, int n) const { return at + 2 * phaseBytes + group % 2 * groupBytes + n * behind; }
	__device__ uint8 *headOf(int group, int m) const { return behindOf(group, blockColumns) + m * head; }
};

// Source is where a block's weights and activations are: tiles beyond the matrices are the last one again.
struct Source {
	const Product *p;
	int tile, column; // first tiles
	int lastTile, lastColumn;

	__device__ Source(const ProductsArgs &a) {
		const int columns = ceilDiv(a.acts.rows, actRows * blockColumns);
		int row = blockIdx.x / columns, product = 0;
		while (row >= a.list[product].end) product++;
		p = &a.list[product];
		if (product > 0) row -= a.list[product - 1].end;
		tile = row * int(blockDim.x / 32 / across);
		column = blockIdx.x % columns * blockColumns;
		lastTile = (p->rows - 1) / tileRows;
		lastColumn = (a.acts.rows - 1) / actRows;
	}
};

// copyPiece starts a warp's copy of some bytes.
template <int bytes> __device__ inline void copyPiece(uint8 *to, const uint8 *from) {
#pragma unroll
	for (int i = 0; i < bytes; i += 512)
		if (i + 16 * laneId() < bytes) copyAsync(to + i + 16 * laneId(), from + i + 16 * laneId());
}

// Copies is what a warp copies: a tile of rows if there are so many, and one, two or four of columns.
template <class T> struct Copies {
	const Shared<T> shared;
	const ProductsArgs &a;
	const Source &s;
	const int rows;
	const uint8 *row, *column; // unit and record of the next group, of the warp's first tiles

	__device__ Copies(const Shared<T> &shared, const ProductsArgs &a, const Source &s)
		: shared(shared), a(a), s(s), rows(blockDim.x / 32 / across),
		  row(s.p->weights + int64(smaller(s.tile + warpId(), s.lastTile)) * a.acts.groups * T::unit), column(record(warpId())) {}
	__device__ const uint8 *record(int n) const {
		return a.acts.at + int64(smaller(s.column + n, s.lastColumn)) * a.acts.groups * actRecord;
	}
	__device__ void copyColumn(const uint8 *record, int n, int group, int c) const {
		copyPiece<1024>(shared.column(c, n), record + 512 * c);
		if (c == 0) copyPiece<Shared<T>::behind>(shared.behindOf(group, n), record + 2048);
	}
	// start starts to copy chunks c and c + 1 of a group, and with the first what belongs to all.
	__device__ void start(int group, int c) {
		if (const int m = warpId(); m < rows) {
			copyPiece<2 * T::chunk>(shared.row(c, m), row + T::chunk * c);
			if (c == 0) copyPiece<Shared<T>::head>(shared.headOf(group, m), row + 4 * T::chunk);
		}
		copyColumn(column, warpId(), group, c);
#pragma unroll 1
		for (int n = warpId() + blockDim.x / 32; n < blockColumns; n += blockDim.x / 32)
			copyColumn(record(n) + int64(group) * actRecord, n, group, c);
		if (c == 2) row += T::unit, column += actRecord;
	}
};

using WarpSums = float[warpColumns][4];

__device__ inline uint32 wordAt(const uint8 *p) { return *reinterpret_cast<const uint32 *>(p); }
__device__ inline Bytes16 bytesAt(const uint8 *p) { return *reinterpret_cast<const Bytes16 *>(p); }

// Place is where a warp is in its block: tile m of rows, tiles of columns from n on.
struct Place {
	int m, n;
};

// column is what a lane has of chunk c of a tile of columns, and row where that of the warp's tile of rows begins.
template <class T> __device__ inline Bytes16 columnAt(const Shared<T> &shared, int n, int c) {
	return bytesAt(shared.column(c & 2, n) + 512 * (c % 2) + 16 * laneId());
}
template <class T> __device__ inline const uint8 *rowAt(const Shared<T> &shared, int m, int c) {
	return shared.row(c & 2, m) + T::chunk * (c % 2);
}

// q8_0 and q4_0.
template <class T> struct Sums32 {
	WarpSums acc = {};

	__device__ void add(const Shared<T> &shared, int group, int c, const Place &at) {
		const int g = laneId() / 4, t = laneId() % 4;
		Chunk32 chunk;
		T::template loadChunk<false>(chunk, rowAt(shared, at.m, c), laneId());
		float weight[2][2]; // D of rows g, g+8 in both blocks of the chunk
		for (int i = 0; i < 2; i++) {
			const uint32 both = wordAt(shared.headOf(group, at.m) + 8 * (tileRows * (c / 2) + g + 8 * i) + 4 * (c % 2));
			for (int j = 0; j < 2; j++) weight[i][j] = floatOfHalf(half(both >> 16 * j));
		}
		uint32 q[2][4];
		for (int j = 0; j < 2; j++) T::fragment(chunk, j, q[j]);
#pragma unroll
		for (int n = 0; n < warpColumns; n++) {
			const Bytes16 b = columnAt(shared, at.n + n, c);
			Bytes8 act[2]; // A of columns 2t, 2t+1 in both blocks
			const uint8 *scales = shared.behindOf(group, at.n + n) + 16 * (actRows * (c / 2) + 2 * t) + 8 * (c % 2);
			for (int i = 0; i < 2; i++) act[i] = *reinterpret_cast<const Bytes8 *>(scales + 16 * i);
			for (int j = 0; j < 2; j++) {
				int32 v[4];
				mmaS8(v, q[j], b.w[2 * j], b.w[2 * j + 1], 0x4b400000); // as in matmul.cuh
				constexpr float unshift = 1.0f / (1 << T::lowShift);
				for (int i = 0; i < 4; i++) {
					const float sum = fmaf(floatOf(v[i]), unshift, -12582912.0f * unshift);
					acc[n][i] = fmaf(weight[i / 2][j] * floatOf(act[i % 2].w[j]), sum, acc[n][i]);
				}
			}
		}
	}
	__device__ void finishGroup(const Shared<T> &, int, const Place &) {}
};

// q4_k and q5_k. A scale of 6 bits is 8 * high + low, and a value times 3 bits still has 8: so weights are multiplied by their
// scales before the tensor cores sum them over all of a group. Two products of matrices take the place of one, and no instruction
// is left for each of their results.
template <class T> struct SumsAffine {
	WarpSums acc = {};
	int32 low[warpColumns][4], high[warpColumns][4];

	// times multiplies four bytes by the scales of their rows.
	__device__ static void times(uint32 (&to)[4], const uint32 (&q)[4], const uint32 (&scales)[2], int byte) {
		for (int i = 0; i < 4; i++) to[i] = q[i] * uint32(byteOf(scales[i % 2], byte));
	}
	__device__ void add(const Shared<T> &shared, int group, int c, const Place &at) {
		Chunk256 chunk;
		T::template loadChunk<false>(chunk, rowAt(shared, at.m, c), laneId());
		uint32 lowScales[2], highScales[2]; // of rows g, g+8, four of them
		for (int i = 0; i < 2; i++) {
			const uint32 scales = wordAt(shared.headOf(group, at.m) + 16 * (laneId() / 4 + 8 * i) + 4 + c / 2 * 4);
			lowScales[i] = scales & 0x07070707, highScales[i] = scales >> 3 & 0x07070707;
		}
		uint32 lowQ[2][4], highQ[2][4];
		for (int j = 0; j < 2; j++) {
			uint32 q[4];
			T::fragment(chunk, j, q);
			for (int i = 1; i < 4; i += 2) q[i] = q[i] >> T::highShift & 0x1f1f1f1f;
			times(lowQ[j], q, lowScales, c % 2 * 2 + j);
			times(highQ[j], q, highScales, c % 2 * 2 + j);
		}
#pragma unroll
		for (int n = 0; n < warpColumns; n++) {
			const Bytes16 b = columnAt(shared, at.n + n, c);
			for (int j = 0; j < 2; j++)
				if (c + j == 0) {
					mmaU8(low[n], lowQ[j], b.w[0], b.w[1], 0);
					mmaU8(high[n], highQ[j], b.w[0], b.w[1], 0);
				} else {
					mmaU8(low[n], lowQ[j], b.w[2 * j], b.w[2 * j + 1]);
					mmaU8(high[n], highQ[j], b.w[2 * j], b.w[2 * j + 1]);
				}
		}
	}
	__device__ void finishGroup(const Shared<T> &shared, int group, const Place &at) {
		Bytes16 rows[2];
		float d[2], dmin[2];
		for (int i = 0; i < 2; i++) {
			rows[i] = bytesAt(shared.headOf(group, at.m) + 16 * (laneId() / 4 + 8 * i));
			d[i] = floatOfHalf(half(rows[i].w[0])), dmin[i] = floatOfHalf(half(rows[i].w[0] >> 16));
		}
		uint32 mins[4];
		minFragment(mins, rows);
#pragma unroll
		for (int n = 0; n < warpColumns; n++) {
			const Bytes16 behind = bytesAt(shared.behindOf(group, at.n + n) + 16 * laneId());
			float v[4] = {};
			mmaF16(v, mins, behind.w[0], behind.w[1]); // as in matmul.cuh
			for (int i = 0; i < 4; i++) {
				const float a = floatOf(behind.w[2 + i % 2]);
				acc[n][i] = fmaf(d[i / 2] * a, float(high[n][i] * 8 + low[n][i]), acc[n][i]);
				acc[n][i] = fmaf(-(dmin[i / 2] * a), v[i], acc[n][i]);
			}
		}
	}
};

struct SumsQ6_K {
	WarpSums acc = {};
	int32 dots[warpColumns][4];

	__device__ void add(const Shared<Q6_K> &shared, int group, int c, const Place &at) {
		Chunk256 chunk;
		Q6_K::loadChunk<false>(chunk, rowAt(shared, at.m, c), laneId());
		uint32 scales[2]; // of rows g, g+8, four of them
		for (int i = 0; i < 2; i++) scales[i] = wordAt(shared.headOf(group, at.m) + 16 * (laneId() / 4 + 8 * i) + 4 * c);
		uint32 q[4][2];
		for (int j = 0; j < 4; j++) Q6_K::fragment(chunk, j, q[j]);
#pragma unroll
		for (int n = 0; n < warpColumns; n++) {
			const Bytes16 b = columnAt(shared, at.n + n, c);
			for (int j = 0; j < 4; j++) {
				int32 v[4] = {};
				mmaS8(v, q[j][0], q[j][1], b.w[j]);
				for (int i = 0; i < 4; i++) dots[n][i] = int32(int8(scales[i / 2] >> 8 * j)) * v[i] + (c + j > 0 ? dots[n][i] : 0);
			}
		}
	}
	__device__ void finishGroup(const Shared<Q6_K> &shared, int group, const Place &at) {
		const uint32 both = wordAt(shared.headOf(group, at.m) + 16 * tileRows + laneId() / 4 * 4);
		const float d[2] = {floatOfHalf(half(both)), floatOfHalf(half(both >> 16))};
#pragma unroll
		for (int n = 0; n < warpColumns; n++) {
			const Bytes16 behind = bytesAt(shared.behindOf(group, at.n + n) + 16 * laneId());
			for (int i = 0; i < 4; i++)
				acc[n][i] = fmaf(d[i / 2] * floatOf(behind.w[2 + i % 2]), float(dots[n][i] >> Q6_K::lowShift), acc[n][i]);
		}
	}
};

template <class T, class Sums>
__device__ inline void manyRows(WarpSums &to, const ProductsArgs &a, const Source &source, const Place &at) {
	const Shared<T> shared{sharedMemory()};
	Copies<T> copies(shared, a, source);
	copies.start(0, 0);
	commitCopies();
	Sums sums;
#pragma unroll 1
	for (int group = 0; group < a.acts.groups; group++) {
#pragma unroll
		for (int c = 0; c < 4; c += 2) {
			waitCopies<0>();
			__syncthreads(); // the phase's chunks are there for all, and all are done with those before
			const int next = group + c / 2;
			if (next < a.acts.groups) copies.start(next, 2 - c);
			commitCopies();
			sums.add(shared, group, c, at);
			sums.add(shared, group, c + 1, at);
		}
		sums.finishGroup(shared, group, at);
	}
#pragma unroll
	for (int i = 0; i < 4 * warpColumns; i++) to[i / 4][i % 4] = sums.acc[i / 4][i % 4];
}

__device__ inline void store(WarpSums &acc, const ProductsArgs &a, const Source &s, const Place &at) {
	auto output = [&](int n) { return Output(a, *s.p, s.tile + at.m, (s.column + at.n + n) * actRows); };
	WarpSums before = {};
	if (a.add)
#pragma unroll
		for (int n = 0; n < warpColumns; n++) output(n).load(before[n]);
#pragma unroll
	for (int n = 0; n < warpColumns; n++) {
		for (int i = 0; i < 4 && a.add; i++) acc[n][i] = before[n][i] + acc[n][i];
		output(n).store(acc[n]);
	}
}

extern "C" __global__ void __launch_bounds__(512) prompt32(const __grid_constant__ ProductsArgs a) {
	releaseNext();
	awaitBefore();
	const Source source(a);
	const Place at{warpId() / across, warpId() % across * warpColumns};
	WarpSums acc;
	if (source.p->format == typeQ8_0) manyRows<Q8_0, Sums32<Q8_0>>(acc, a, source, at);
	else manyRows<Q4_0, Sums32<Q4_0>>(acc, a, source, at);
	store(acc, a, source, at);
}

extern "C" __global__ void __launch_bounds__(512) prompt256(const __grid_constant__ ProductsArgs a) {
	releaseNext();
	awaitBefore();
	const Source source(a);
	const Place at{warpId() / across, warpId() % across * warpColumns};
	WarpSums acc;
	if (source.p->format == typeQ4_K) manyRows<Q4_K, SumsAffine<Q4_K>>(acc, a, source, at);
	else if (source.p->format == typeQ5_K) manyRows<Q5_K, SumsAffine<Q5_K>>(acc, a, source, at);
	else manyRows<Q6_K, SumsQ6_K>(acc, a, source, at);
	store(acc, a, source, at);
}
