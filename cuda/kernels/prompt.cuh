// Products of quantized weights with many rows of activations, in prompts: the same arithmetic as matmul.cuh, so the same bits.
//
// Instructions are the limit here. On an H100 a product mma.m16n8k32 of weights and activations keeps a scheduler from starting
// anything else for about 6 cycles, and with it come at least 4 instructions for q4_k (to multiply its sums by scales and add them), 2
// for q6_k (one is a second product) and 12 for q8_0 (the chain). What loads and unpacks operands is shared by the tiles that a warp
// computes: 2 x 8 or 1 x 16, which leaves 5, 7 and 2 instructions more. Two warps a scheduler have all registers, so each needs
// enough to do between a product and the use of its results, some 30 cycles later.
#pragma once
#include "matmul.cuh"

// A block computes 128 columns and up to 128 rows of weights: as many tiles of rows as it has warps. They stand in a grid and each
// computes rows x columns tiles of 16 x 8 beside each other, so that it unpacks a fragment of weights for `columns` products, and
// loads one of activations for `rows`.
constexpr int blockColumns = 16; // tiles
constexpr int mostRows = 8;      // tiles of rows in a block
template <int rowTiles, int columnTiles> struct Tiles {
	static constexpr int rows = rowTiles, columns = columnTiles, across = blockColumns / columns;
};

// Shared memory is twice what a phase takes, two chunks, and twice what belongs to a group of 256 values: heads, and what is
// behind the chunks of activations.
template <class T> struct Shared {
	static constexpr int head = T::unit - 4 * T::chunk, behind = T::form == form256 ? 512 : 256;
	static constexpr int phaseBytes = 2 * (blockColumns * 512 + mostRows * T::chunk);
	static constexpr int groupBytes = blockColumns * behind + mostRows * head;
	static constexpr int bytes = 2 * (phaseBytes + groupBytes);
	static_assert(bytes <= 80 << 10, "products.go asks for so much");

	uint8 *at;

	// Offsets of tiles; c is the first of two chunks, 0 or 2.
	__device__ static uint32 columnOffset(int c, int n) { return c / 2 * phaseBytes + n * 1024; }
	__device__ static uint32 rowOffset(int c, int m) { return c / 2 * phaseBytes + blockColumns * 1024 + m * 2 * T::chunk; }
	__device__ static uint32 behindOffset(int group, int n) { return 2 * phaseBytes + group % 2 * groupBytes + n * behind; }
	__device__ static uint32 headOffset(int group, int m) { return behindOffset(group, blockColumns) + m * head; }

	__device__ uint8 *column(int c, int n) const { return at + columnOffset(c, n); }
	__device__ uint8 *row(int c, int m) const { return at + rowOffset(c, m); }
	__device__ uint8 *behindOf(int group, int n) const { return at + behindOffset(group, n); }
	__device__ uint8 *headOf(int group, int m) const { return at + headOffset(group, m); }
};

// Source is where a block's weights and activations are: tiles beyond the matrices are the last one again.
struct Source {
	const Product *p;
	int rows;         // tiles of the block
	int tile, column; // first tiles
	int lastTile, lastColumn;

	__device__ Source(const ProductsArgs &a, int rows) : rows(rows) {
		const int columns = ceilDiv(a.acts.rows, actRows * blockColumns);
		int row = blockIdx.x / columns;
		p = &productOf(a, row);
		tile = row * rows;
		column = blockIdx.x % columns * blockColumns;
		lastTile = (p->rows - 1) / tileRows;
		lastColumn = (a.acts.rows - 1) / actRows;
	}
};

// copyPiece starts a warp's copy of some bytes, from where a lane's first 16 are and to where they go.
template <int bytes> __device__ inline void copyPiece(uint32 to, const uint8 *from) {
#pragma unroll
	for (int i = 0; i < bytes; i += 512)
		if (bytes - i >= 512 || 16 * laneId() < bytes - i) copyAsync(to + i, from + i);
}

// Copies is what a warp copies: a tile of rows, and its share of 16 tiles of columns. It keeps the places of those that it copies in a
// block of `warps`, as all warps copy at once, right behind a barrier, where none has anything else to do while addresses are computed.
template <class T, int warps> struct Copies {
	static constexpr int kept = blockColumns / warps;
	const ProductsArgs &a;
	const Source &s;
	const uint32 to;                  // the lane's part of shared memory
	const uint8 *row, *columns[kept]; // the lane's part of unit and records of the next group

	__device__ Copies(const Shared<T> &shared, const ProductsArgs &a, const Source &s)
		: a(a), s(s), to(sharedAddress(shared.at) + 16 * laneId()) {
		row = s.p->weights + int64(smaller(s.tile + warpId(), s.lastTile)) * a.acts.groups * T::unit + 16 * laneId();
		for (int i = 0; i < kept; i++) columns[i] = record(warpId() + i * warps);
	}
	__device__ const uint8 *record(int n) const {
		return a.acts.at + int64(smaller(s.column + n, s.lastColumn)) * a.acts.groups * actRecord + 16 * laneId();
	}
	__device__ void copyColumn(const uint8 *record, int n, int group, int c) const {
		copyPiece<1024>(to + Shared<T>::columnOffset(c, n), record + 512 * c);
		if (c == 0) copyPiece<Shared<T>::behind>(to + Shared<T>::behindOffset(group, n), record + 2048);
	}
	// start starts to copy chunks c and c + 1 of a group, and with the first what belongs to all.
	__device__ void start(int group, int c) {
		copyPiece<2 * T::chunk>(to + Shared<T>::rowOffset(c, warpId()), row + T::chunk * c);
		if (c == 0) copyPiece<Shared<T>::head>(to + Shared<T>::headOffset(group, warpId()), row + 4 * T::chunk);
#pragma unroll
		for (int i = 0; i < kept; i++) copyColumn(columns[i], warpId() + i * warps, group, c);
		if (const int fewer = blockDim.x / 32; fewer < warps)
#pragma unroll 1
			for (int n = warpId() + fewer; n < blockColumns; n += fewer)
				if (n % warps >= fewer) copyColumn(record(n) + int64(group) * actRecord, n, group, c);
		if (c < 2) return;
		row += T::unit;
		for (int i = 0; i < kept; i++) columns[i] += actRecord;
	}
};

__device__ inline uint32 wordAt(const uint8 *p) { return *reinterpret_cast<const uint32 *>(p); }
__device__ inline Bytes16 bytesAt(const uint8 *p) { return *reinterpret_cast<const Bytes16 *>(p); }

// Place is where a warp is in its block: its first tile of rows, and of columns.
struct Place {
	int m, n;
};

// columnAt is what a lane has of chunk c of a tile of columns, and rowAt where that of a tile of rows begins.
template <class T> __device__ inline Bytes16 columnAt(const Shared<T> &shared, int n, int c) {
	return bytesAt(shared.column(c & 2, n) + 512 * (c % 2) + 16 * laneId());
}
template <class T> __device__ inline const uint8 *rowAt(const Shared<T> &shared, int m, int c) {
	return shared.row(c & 2, m) + T::chunk * (c % 2);
}

// q8_0 and q4_0. Sums of q8_0 become floats by conversions, which do not compete with the chains for a unit, those of q4_0 as in
// matmul.cuh by an offset, which takes their shift off too.
template <class T, class F> struct Sums32 {
	static constexpr bool converts = T::lowShift == 0;
	float acc[F::rows][F::columns][4] = {};

	// add adds two chunks, 4 blocks.
	__device__ void add(const Shared<T> &shared, int group, int c, const Place &at) {
		const int g = laneId() / 4, t = laneId() % 4;
		float weight[F::rows][2][4]; // D of rows g, g+8
		uint32 q[F::rows][4][4];
#pragma unroll
		for (int m = 0; m < F::rows; m++) {
			for (int i = 0; i < 2; i++) {
				const uint8 *scales = shared.headOf(group, at.m + m) + 8 * (tileRows * (c / 2) + g + 8 * i);
				const Bytes8 d = *reinterpret_cast<const Bytes8 *>(scales);
				for (int j = 0; j < 4; j++) weight[m][i][j] = floatOfHalf(half(d.w[j / 2] >> 16 * (j % 2)));
			}
			for (int k = 0; k < 2; k++) {
				Chunk32 chunk;
				T::template loadChunk<false>(chunk, rowAt(shared, at.m + m, c + k), laneId());
				for (int j = 0; j < 2; j++) T::fragment(chunk, j, q[m][2 * k + j]);
			}
		}
		// Products of matrices are started some steps before their results are multiplied and added: those come 30 cycles later.
		constexpr int blocks = 4, steps = F::columns * F::rows * blocks, ahead = 3;
		Bytes16 b[2], act[2]; // of a tile of columns: what multiplies, and A of columns 2t, 2t+1
		int32 v[ahead + 1][4];
		float factor[ahead + 1][4];
#pragma unroll
		for (int s = 0; s < steps + ahead; s++) {
			if (s < steps) {
				const int n = s / blocks / F::rows, m = s / blocks % F::rows, j = s % blocks;
				if (m + j == 0) {
					for (int i = 0; i < 2; i++) b[i] = columnAt(shared, at.n + n, c + i);
					const uint8 *scales = shared.behindOf(group, at.n + n) + 16 * (actRows * (c / 2) + 2 * t);
					for (int i = 0; i < 2; i++) act[i] = bytesAt(scales + 16 * i);
				}
				mmaS8(v[s % (ahead + 1)], q[m][j], b[j / 2].w[j % 2 * 2], b[j / 2].w[j % 2 * 2 + 1], converts ? 0 : 0x4b400000);
				for (int i = 0; i < 4; i++) factor[s % (ahead + 1)][i] = weight[m][i / 2][j] * floatOf(act[i % 2].w[j]);
			}
			if (const int e = s - ahead; e >= 0) {
				const int n = e / blocks / F::rows, m = e / blocks % F::rows;
				constexpr float unshift = 1.0f / (1 << T::lowShift);
				float sum[4];
				for (int i = 0; i < 4; i++) {
					const int32 shifted = v[e % (ahead + 1)][i];
					if constexpr (converts) sum[i] = float(shifted);
					else sum[i] = fmaf(floatOf(shifted), unshift, -12582912.0f * unshift);
				}
				for (int i = 0; i < 4; i++) acc[m][n][i] = fmaf(factor[e % (ahead + 1)][i], sum[i], acc[m][n][i]);
			}
		}
	}
};

// q4_k and q5_k: a product for each scale, whose sums are multiplied by it.
template <class T, class F> struct SumsAffine {
	float acc[F::rows][F::columns][4] = {};
	int32 dots[F::rows][F::columns][4];

	// Ends is what adds a group's sums to the chains.
	struct Ends {
		float d[F::rows][2], dmin[F::rows][2]; // D, Dmin of rows g, g+8
		uint32 mins[F::rows][4];

		__device__ void load(const Shared<T> &shared, int group, const Place &at) {
#pragma unroll
			for (int m = 0; m < F::rows; m++) {
				Bytes16 rows[2];
				for (int i = 0; i < 2; i++) {
					rows[i] = bytesAt(shared.headOf(group, at.m + m) + 16 * (laneId() / 4 + 8 * i));
					d[m][i] = floatOfHalf(half(rows[i].w[0])), dmin[m][i] = floatOfHalf(half(rows[i].w[0] >> 16));
				}
				minFragment(mins[m], rows);
			}
		}
	};
	__device__ void end(const Ends &ends, const Shared<T> &shared, int group, const Place &at, int n) {
		const Bytes16 behind = bytesAt(shared.behindOf(group, at.n + n) + 16 * laneId());
#pragma unroll
		for (int m = 0; m < F::rows; m++) {
			float v[4] = {};
			mmaF16(v, ends.mins[m], behind.w[0], behind.w[1]); // as in matmul.cuh
			for (int i = 0; i < 4; i++) {
				const float a = floatOf(behind.w[2 + i % 2]), dot = dots[m][n][i] >> (i < 2 ? T::lowShift : T::highShift);
				acc[m][n][i] = fmaf(ends.d[m][i / 2] * a, dot, acc[m][n][i]);
				acc[m][n][i] = fmaf(-(ends.dmin[m][i / 2] * a), v[i], acc[m][n][i]);
			}
		}
	}
	__device__ void add(const Shared<T> &shared, int group, int c, const Place &at) {
		uint32 scales[F::rows][2]; // of rows g, g+8, four of them
#pragma unroll
		for (int m = 0; m < F::rows; m++)
			for (int i = 0; i < 2; i++)
				scales[m][i] = wordAt(shared.headOf(group, at.m + m) + 16 * (laneId() / 4 + 8 * i) + 4 + c / 2 * 4) & 0x3f3f3f3f;
#pragma unroll
		for (int k = c; k < c + 2; k++) {
			uint32 q[F::rows][2][4];
			int32 scale[F::rows][2][2];
#pragma unroll
			for (int m = 0; m < F::rows; m++) {
				Chunk256 chunk;
				T::template loadChunk<false>(chunk, rowAt(shared, at.m + m, k), laneId());
				for (int j = 0; j < 2; j++) {
					T::fragment(chunk, j, q[m][j]);
					for (int i = 0; i < 2; i++) scale[m][j][i] = byteOf(scales[m][i], k % 2 * 2 + j);
				}
			}
			Ends ends;
			if (k == 3) ends.load(shared, group, at);
#pragma unroll
			for (int n = 0; n < F::columns; n++) {
				const Bytes16 b = columnAt(shared, at.n + n, k);
#pragma unroll
				for (int m = 0; m < F::rows; m++)
					for (int j = 0; j < 2; j++) {
						int32 v[4];
						mmaU8(v, q[m][j], b.w[2 * j], b.w[2 * j + 1], 0);
						for (int i = 0; i < 4; i++) dots[m][n][i] = scale[m][j][i / 2] * v[i] + (k + j > 0 ? dots[m][n][i] : 0);
					}
				if (k == 3 && n > 0) end(ends, shared, group, at, n - 1);
			}
			if (k == 3) end(ends, shared, group, at, F::columns - 1);
		}
	}
};

// q6_k with weights multiplied by their scales before the tensor cores sum them over all of a group: q * scale has 14 bits, 256 *
// high + low. Two products of matrices take the place of two of half the size, and no instruction is left for each of their
// results; what weights take is shared by all columns of the warp.
template <class F> struct SumsQ6_K {
	float acc[F::rows][F::columns][4] = {};
	int32 low[F::rows][F::columns][4], high[F::rows][F::columns][4];

	// times multiplies the values of a fragment's word, 4 * q, by a scale: low and high bytes of the products. As unsigned values of
	// 16 bits, q beside 32 and products beside 2^15, two share a multiplication.
	__device__ static void times(uint32 &low, uint32 &high, uint32 q, int32 scale) {
		q ^= 0x80808080;
		const uint32 offset = 0x80008000 - 0x00800080 * uint32(scale);
		const uint32 even = (q & 0x00ff00ff) * uint32(scale) + offset, odd = permute(q, 0, 0x4341) * uint32(scale) + offset;
		low = permute(even, odd, 0x6240);
		high = permute(even, odd, 0x7351) ^ 0x80808080;
	}
	// end adds a group's sums to the chains.
	__device__ void end(const float (&d)[F::rows][2], const Shared<Q6_K> &shared, int group, const Place &at, int n) {
		const Bytes16 behind = bytesAt(shared.behindOf(group, at.n + n) + 16 * laneId());
#pragma unroll
		for (int m = 0; m < F::rows; m++)
			for (int i = 0; i < 4; i++) {
				const float dot = (256 * high[m][n][i] + low[m][n][i]) >> Q6_K::lowShift;
				acc[m][n][i] = fmaf(d[m][i / 2] * floatOf(behind.w[2 + i % 2]), dot, acc[m][n][i]);
			}
	}
	__device__ void add(const Shared<Q6_K> &shared, int group, int c, const Place &at) {
#pragma unroll
		for (int k = c; k < c + 2; k++) {
			uint32 lowQ[F::rows][2][4], highQ[F::rows][2][4];
#pragma unroll
			for (int m = 0; m < F::rows; m++) {
				Chunk256 chunk;
				Q6_K::loadChunk<false>(chunk, rowAt(shared, at.m + m, k), laneId());
				uint32 scales[2]; // of rows g, g+8, four of them
				for (int i = 0; i < 2; i++) scales[i] = wordAt(shared.headOf(group, at.m + m) + 16 * (laneId() / 4 + 8 * i) + 4 * k);
				for (int j = 0; j < 4; j++) {
					uint32 q[2];
					Q6_K::fragment(chunk, j, q);
					for (int i = 0; i < 2; i++)
						times(lowQ[m][j / 2][j % 2 * 2 + i], highQ[m][j / 2][j % 2 * 2 + i], q[i], int8(scales[i] >> 8 * j));
				}
			}
			float d[F::rows][2]; // D of rows g, g+8
			for (int m = 0; k == 3 && m < F::rows; m++) {
				const uint32 both = wordAt(shared.headOf(group, at.m + m) + 16 * tileRows + laneId() / 4 * 4);
				for (int i = 0; i < 2; i++) d[m][i] = floatOfHalf(half(both >> 16 * i));
			}
			constexpr int together = 2; // columns, so that a sum is not added to while it is still being added to
#pragma unroll
			for (int first = 0; first < F::columns; first += together) {
				Bytes16 b[together];
				for (int i = 0; i < together; i++) b[i] = columnAt(shared, at.n + first + i, k);
#pragma unroll
				for (int j = 0; j < 2; j++)
#pragma unroll
					for (int i = 0; i < together; i++)
#pragma unroll
						for (int m = 0; m < F::rows; m++) {
							int32(&l)[4] = low[m][first + i], (&h)[4] = high[m][first + i];
							const uint32 b0 = b[i].w[2 * j], b1 = b[i].w[2 * j + 1];
							if (k + j == 0) mmaU8(l, lowQ[m][j], b0, b1, 0), mmaS8(h, highQ[m][j], b0, b1, 0);
							else mmaU8(l, lowQ[m][j], b0, b1), mmaS8(h, highQ[m][j], b0, b1);
						}
#pragma unroll
				for (int n = first - together; k == 3 && n >= 0 && n < first; n++) end(d, shared, group, at, n);
			}
#pragma unroll
			for (int n = F::columns - together; k == 3 && n < F::columns; n++) end(d, shared, group, at, n);
		}
	}
};

// manyRows computes a block's products by Sums and stores them.
template <class T, class F, class Sums, int warps> __device__ inline void manyRows(const ProductsArgs &a) {
	static_assert(F::rows == F::across, "a warp copies a tile of rows");
	const Source source(a, blockDim.x / 32);
	const Place at{warpId() / F::across * F::rows, warpId() % F::across * F::columns};
	const Shared<T> shared{sharedMemory()};
	Copies<T, warps> copies(shared, a, source);
	copies.start(0, 0);
	commitCopies();
	Sums sums;
#pragma unroll 1
	for (int group = 0; group < a.acts.groups; group++) {
#pragma unroll
		for (int c = 0; c < 4; c += 2) {
			waitCopies<0>();
			__syncthreads(); // the phase's chunks are there for all, and all are done with those before
			if (c == 0) copies.start(group, 2);
			else if (group + 1 < a.acts.groups) copies.start(group + 1, 0);
			commitCopies();
			sums.add(shared, group, c, at);
		}
	}
#pragma unroll
	for (int m = 0; m < F::rows; m++) {
		auto output = [&](int n) { return Output(a, *source.p, source.tile + at.m + m, (source.column + at.n + n) * actRows); };
		float before[F::columns][4] = {};
		if (a.add)
#pragma unroll
			for (int n = 0; n < F::columns; n++) output(n).load(before[n]);
#pragma unroll
		for (int n = 0; n < F::columns; n++) {
			for (int i = 0; i < 4 && a.add; i++) sums.acc[m][n][i] = before[n][i] + sums.acc[m][n][i];
			output(n).store(sums.acc[m][n]);
		}
	}
}

// formatOf is the type of a block's weights.
__device__ inline int32 formatOf(const ProductsArgs &a) {
	int row = blockIdx.x / ceilDiv(a.acts.rows, actRows * blockColumns);
	return productOf(a, row).format;
}

template <int warps> __device__ inline void manyRows32(const ProductsArgs &a) {
	releaseNext();
	awaitBefore();
	using F = Tiles<2, 8>;
	if (formatOf(a) == typeQ8_0) manyRows<Q8_0, F, Sums32<Q8_0, F>, warps>(a);
	else manyRows<Q4_0, F, Sums32<Q4_0, F>, warps>(a);
}
template <int warps> __device__ inline void manyRows256(const ProductsArgs &a) {
	releaseNext();
	awaitBefore();
	using F = Tiles<1, 16>;
	const int32 format = formatOf(a);
	if (format == typeQ4_K) manyRows<Q4_K, F, SumsAffine<Q4_K, F>, warps>(a);
	else if (format == typeQ5_K) manyRows<Q5_K, F, SumsAffine<Q5_K, F>, warps>(a);
	else manyRows<Q6_K, F, SumsQ6_K<F>, warps>(a);
}

// Two blocks of 4 warps on a multiprocessor are faster than one of 8, if it has shared memory for two (BenchmarkPrompts).
#define PROMPT(name, from, warps) \
	extern "C" __global__ void __launch_bounds__(32 * warps) name(const __grid_constant__ ProductsArgs a) { from<warps>(a); }
PROMPT(prompt32x4, manyRows32, 4)
PROMPT(prompt32x8, manyRows32, 8)
PROMPT(prompt256x4, manyRows256, 4)
PROMPT(prompt256x8, manyRows256, 8)
