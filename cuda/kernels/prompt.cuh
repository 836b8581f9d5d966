// Products of quantized weights with many rows of activations, in prompts: the same arithmetic as matmul.cuh, so the same bits.
//
// Instructions are the limit here. Per product mma.m16n8k32, which keeps an H100's tensor core busy for 6 cycles, a scheduler
// starts about 13 for q4_k (4 multiply by scales, 5 are the chain and the mins) and 14 for q8_0 (12 are the chain). So what
// matters is that none waits: operands come through shared memory, 128 values ahead, and 16 warps take turns. They meet only that
// often, because right behind a barrier all load and none computes.
#pragma once
#include "matmul.cuh"

// A block computes 128 columns and, with 4, 8 or 16 warps, 32, 64 or 128 rows. Its warps stand in rows of 4, and each
// computes 2 x 4 tiles of 16 x 8.
constexpr int warpRows = 2, warpColumns = 4, across = 4, blockColumns = across * warpColumns;
constexpr int mostRows = 4 * warpRows; // tiles of rows in a block

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
		tile = row * int(blockDim.x / 32 / across) * warpRows;
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
		: shared(shared), a(a), s(s), rows(blockDim.x / 32 / across * warpRows),
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

using WarpSums = float[warpRows][warpColumns][4];

__device__ inline uint32 wordAt(const uint8 *p) { return *reinterpret_cast<const uint32 *>(p); }
__device__ inline Bytes16 bytesAt(const uint8 *p) { return *reinterpret_cast<const Bytes16 *>(p); }

// Sums are what a warp sums up: the chains, and in form 256 first the sums of scale*S of a group.
template <class T> struct Sums32 {
	WarpSums acc = {};

	__device__ void add(const Shared<T> &shared, int group, int c, int m0, int n0) {
		const int g = laneId() / 4, t = laneId() % 4;
		Bytes16 b[warpColumns];
		Bytes8 act[warpColumns][2]; // A of columns 2t, 2t+1 in both blocks of the chunk
		for (int n = 0; n < warpColumns; n++) {
			b[n] = bytesAt(shared.column(c & 2, n0 + n) + 512 * (c % 2) + 16 * laneId());
			const uint8 *scales = shared.behindOf(group, n0 + n) + 16 * (actRows * (c / 2) + 2 * t) + 8 * (c % 2);
			for (int i = 0; i < 2; i++) act[n][i] = *reinterpret_cast<const Bytes8 *>(scales + 16 * i);
		}
#pragma unroll
		for (int m = 0; m < warpRows; m++) {
			Chunk32 chunk;
			T::template loadChunk<false>(chunk, shared.row(c & 2, m0 + m) + T::chunk * (c % 2), laneId());
			uint32 d[2];
			for (int i = 0; i < 2; i++) d[i] = wordAt(shared.headOf(group, m0 + m) + 8 * (tileRows * (c / 2) + g + 8 * i) + 4 * (c % 2));
#pragma unroll
			for (int j = 0; j < 2; j++) {
				uint32 q[4];
				T::fragment(chunk, j, q);
				const float weight[2] = {floatOfHalf(half(d[0] >> 16 * j)), floatOfHalf(half(d[1] >> 16 * j))};
#pragma unroll
				for (int n = 0; n < warpColumns; n++) {
					int32 v[4];
					mmaS8(v, q, b[n].w[2 * j], b[n].w[2 * j + 1], 0x4b400000); // as in matmul.cuh
					constexpr float unshift = 1.0f / (1 << T::lowShift);
					for (int i = 0; i < 4; i++) {
						const float sum = fmaf(floatOf(v[i]), unshift, -12582912.0f * unshift);
						acc[m][n][i] = fmaf(weight[i / 2] * floatOf(act[n][i % 2].w[j]), sum, acc[m][n][i]);
					}
				}
			}
		}
	}
	__device__ void finishGroup(const Shared<T> &, int, int, int) {}
};

template <class T> struct Sums256 {
	WarpSums acc = {};
	int32 dots[warpRows][warpColumns][4];

	static constexpr bool isQ6_K = T::unit == Q6_K::unit;

	__device__ void add(const Shared<T> &shared, int group, int c, int m0, int n0) {
		const int g = laneId() / 4;
		Bytes16 b[warpColumns];
		for (int n = 0; n < warpColumns; n++) b[n] = bytesAt(shared.column(c & 2, n0 + n) + 512 * (c % 2) + 16 * laneId());
#pragma unroll
		for (int m = 0; m < warpRows; m++) {
			Chunk256 chunk;
			T::template loadChunk<false>(chunk, shared.row(c & 2, m0 + m) + T::chunk * (c % 2), laneId());
			uint32 scales[2]; // four, a byte each
			for (int i = 0; i < 2; i++) scales[i] = wordAt(shared.headOf(group, m0 + m) + 16 * (g + 8 * i) + (isQ6_K ? 4 * c : 4 + c / 2 * 4));
			if constexpr (!isQ6_K)
				for (int i = 0; i < 2; i++) scales[i] &= 0x3f3f3f3f;
#pragma unroll
			for (int j = 0; j < (isQ6_K ? 4 : 2); j++) {
				uint32 q[isQ6_K ? 2 : 4];
				T::fragment(chunk, j, q);
				int32 scale[2];
				for (int i = 0; i < 2; i++) scale[i] = isQ6_K ? int32(int8(scales[i] >> 8 * j)) : byteOf(scales[i], c % 2 * 2 + j);
#pragma unroll
				for (int n = 0; n < warpColumns; n++) {
					int32 v[4] = {};
					if constexpr (isQ6_K) mmaS8(v, q[0], q[1], b[n].w[j]);
					else mmaU8(v, q, b[n].w[2 * j], b[n].w[2 * j + 1]);
					for (int i = 0; i < 4; i++) dots[m][n][i] = scale[i / 2] * v[i] + (c + j > 0 ? dots[m][n][i] : 0);
				}
			}
		}
	}
	__device__ void finishGroup(const Shared<T> &shared, int group, int m0, int n0) {
		const int g = laneId() / 4;
		Bytes16 behind[warpColumns];
		for (int n = 0; n < warpColumns; n++) behind[n] = bytesAt(shared.behindOf(group, n0 + n) + 16 * laneId());
#pragma unroll
		for (int m = 0; m < warpRows; m++) {
			const uint8 *head = shared.headOf(group, m0 + m);
			float d[2], dmin[2];
			uint32 mins[4];
			if constexpr (isQ6_K) {
				const uint32 both = wordAt(head + 16 * tileRows + 4 * g);
				for (int i = 0; i < 2; i++) d[i] = floatOfHalf(half(both >> 16 * i));
			} else {
				Bytes16 rows[2];
				for (int i = 0; i < 2; i++) {
					rows[i] = bytesAt(head + 16 * (g + 8 * i));
					d[i] = floatOfHalf(half(rows[i].w[0])), dmin[i] = floatOfHalf(half(rows[i].w[0] >> 16));
				}
				minFragment(mins, rows);
			}
#pragma unroll
			for (int n = 0; n < warpColumns; n++) {
				float (&to)[4] = acc[m][n];
				for (int i = 0; i < 4; i++) {
					const int32 v = dots[m][n][i] >> (i < 2 ? T::lowShift : T::highShift);
					to[i] = fmaf(d[i / 2] * floatOf(behind[n].w[2 + i % 2]), float(v), to[i]);
				}
				if constexpr (!isQ6_K) {
					float v[4] = {};
					mmaF16(v, mins, behind[n].w[0], behind[n].w[1]); // as in matmul.cuh
					for (int i = 0; i < 4; i++) to[i] = fmaf(-(dmin[i / 2] * floatOf(behind[n].w[2 + i % 2])), v[i], to[i]);
				}
			}
		}
	}
};

template <class T, class Sums> __device__ inline void manyRows(WarpSums &to, const ProductsArgs &a, const Source &source, int m0, int n0) {
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
			sums.add(shared, group, c, m0, n0);
			sums.add(shared, group, c + 1, m0, n0);
		}
		sums.finishGroup(shared, group, m0, n0);
	}
#pragma unroll
	for (int i = 0; i < warpRows * warpColumns * 4; i++) to[i / 16][i / 4 % 4][i % 4] = sums.acc[i / 16][i / 4 % 4][i % 4];
}

__device__ inline void store(WarpSums &acc, const ProductsArgs &a, const Source &s, int m0, int n0) {
	auto output = [&](int m, int n) { return Output(a, *s.p, s.tile + m0 + m, (s.column + n0 + n) * actRows); };
	WarpSums before = {};
	if (a.add)
#pragma unroll
		for (int i = 0; i < warpRows * warpColumns; i++) output(i / warpColumns, i % warpColumns).load(before[i / warpColumns][i % warpColumns]);
#pragma unroll
	for (int m = 0; m < warpRows; m++)
#pragma unroll
		for (int n = 0; n < warpColumns; n++) {
			for (int i = 0; i < 4 && a.add; i++) acc[m][n][i] = before[m][n][i] + acc[m][n][i];
			output(m, n).store(acc[m][n]);
		}
}

extern "C" __global__ void __launch_bounds__(512) prompt32(const __grid_constant__ ProductsArgs a) {
	releaseNext();
	awaitBefore();
	const Source source(a);
	const int m0 = warpId() / across * warpRows, n0 = warpId() % across * warpColumns;
	WarpSums acc;
	if (source.p->format == typeQ8_0) manyRows<Q8_0, Sums32<Q8_0>>(acc, a, source, m0, n0);
	else manyRows<Q4_0, Sums32<Q4_0>>(acc, a, source, m0, n0);
	store(acc, a, source, m0, n0);
}

extern "C" __global__ void __launch_bounds__(512) prompt256(const __grid_constant__ ProductsArgs a) {
	releaseNext();
	awaitBefore();
	const Source source(a);
	const int m0 = warpId() / across * warpRows, n0 = warpId() % across * warpColumns;
	WarpSums acc;
	if (source.p->format == typeQ4_K) manyRows<Q4_K, Sums256<Q4_K>>(acc, a, source, m0, n0);
	else if (source.p->format == typeQ5_K) manyRows<Q5_K, Sums256<Q5_K>>(acc, a, source, m0, n0);
	else manyRows<Q6_K, Sums256<Q6_K>>(acc, a, source, m0, n0);
	store(acc, a, source, m0, n0);
}
