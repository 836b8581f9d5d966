// Quantized weights as the products take them: pack.go puts them into the order of matrix fragments.
#pragma once
#include "act.cuh"

// Ids of types in GGUF files.
enum Type : int32 {
	typeF32 = 0, typeF16 = 1, typeQ4_0 = 2, typeQ8_0 = 8, typeQ4_K = 12, typeQ5_K = 13, typeQ6_K = 14, typeBF16 = 30
};

// A tile is 16 rows. It lies in units of 16 rows x 256 values, a unit in 4 chunks of 64 values, with a head behind them. In a
// chunk, lane 4g + t of a warp finds what it holds of matrix a (rows g and g+8) in two products mma.m16n8k32, j = 0 and 1 with
// 32 values each, or four m16n8k16, i = 0 to 3. Beside the usual words of 4 values (8 bits each), there are words of 8: the
// values of row g are in the low halves of its bytes, those of row g+8 in the high ones.
//
//	q8_0   [j][lane][16 bytes: the 4 words of matrix a], values as they are
//	q4_0   [lane][i][4 bytes: 8 values], values q - 8 as signed integers
//	q4_k   [lane][i][4 bytes: 8 values]
//	q5_k   the same with the low 4 bits of row g and the high 4 bits of row g+8, then
//	       [lane][4 bytes]: in each byte, of value i at bit 2i the low bit of row g+8 and above it the high bit of row g
//	q6_k   the same with the high 4 bits of q - 32 as a signed integer of 6 bits, then
//	       [lane][i/2][4 bytes]: in each byte the low 2 bits, of row g for i%2 = 0, row g+8, row g for i%2 = 1, row g+8
//
// The heads, f16 being a half:
//
//	q8_0, q4_0   [half of 128 values][row][32 values] f16 scale
//	q4_k, q5_k   [row][16 bytes]: f16 d, f16 dmin, 4 bytes with scales 0 to 3 of 6 bits and above them the high 2 bits of
//	             mins 0 to 3, 4 bytes with 4 to 7 likewise, 4 bytes with the low 4 bits of mins 0 to 3 and above them 4 to 7
//	q6_k         [row][16] int8 scale, then [g][2] f16 d of rows g and g+8
constexpr int tileRows = 16, unitValues = 256;

// A chunk, and what a lane needs of a head.
struct Chunk32 {
	Bytes16 q[2]; // q4_0: one
};
struct Chunk256 {
	Bytes16 q;
	Bytes8 high; // q5_k: one word; q4_k: none
};
struct Head32 {
	Bytes8 row[2]; // of one half
};
struct Head256 {
	Bytes16 row[2];
	uint32 d; // q6_k
};

// load loads weights: once if no other warp of the multiprocessor is going to.
template <bool once, class T> __device__ inline T load(const uint8 *p) {
	const T *at = reinterpret_cast<const T *>(p);
	if constexpr (once) return loadOnce(at);
	else return *at;
}

// fragment makes matrix a of a chunk's product j (i for q6_k). Values are shifted left by lowShift in rows g, and by highShift
// in rows g+8, which saves shifts here: a sum over k is shifted as much.
struct Q8_0 {
	static constexpr Form form = form32;
	static constexpr int chunk = 1024, unit = 4 * chunk + 256, lowShift = 0, highShift = 0;

	template <bool once> __device__ static void loadChunk(Chunk32 &c, const uint8 *p, int lane) {
		c.q[0] = load<once, Bytes16>(p + 16 * lane);
		c.q[1] = load<once, Bytes16>(p + 512 + 16 * lane);
	}
	__device__ static void fragment(const Chunk32 &c, int j, uint32 (&a)[4]) {
		for (int i = 0; i < 4; i++) a[i] = c.q[j].w[i];
	}
};

struct Q4_0 {
	static constexpr Form form = form32;
	static constexpr int chunk = 512, unit = 4 * chunk + 256, lowShift = 4, highShift = 4;

	template <bool once> __device__ static void loadChunk(Chunk32 &c, const uint8 *p, int lane) {
		c.q[0] = load<once, Bytes16>(p + 16 * lane);
	}
	__device__ static void fragment(const Chunk32 &c, int j, uint32 (&a)[4]) {
		for (int i = 0; i < 2; i++) {
			const uint32 q = c.q[0].w[2 * j + i];
			a[2 * i] = q << 4 & 0xf0f0f0f0;
			a[2 * i + 1] = q & 0xf0f0f0f0;
		}
	}
};

struct Q4_K {
	static constexpr Form form = form256;
	static constexpr int chunk = 512, unit = 4 * chunk + 256, lowShift = 0, highShift = 4;

	template <bool once> __device__ static void loadChunk(Chunk256 &c, const uint8 *p, int lane) {
		c.q = load<once, Bytes16>(p + 16 * lane);
	}
	__device__ static void fragment(const Chunk256 &c, int j, uint32 (&a)[4]) {
		for (int i = 0; i < 2; i++) {
			const uint32 q = c.q.w[2 * j + i];
			a[2 * i] = q & 0x0f0f0f0f;
			a[2 * i + 1] = q & 0xf0f0f0f0;
		}
	}
};

struct Q5_K {
	static constexpr Form form = form256;
	static constexpr int chunk = 640, unit = 4 * chunk + 256, lowShift = 0, highShift = 3;

	template <bool once> __device__ static void loadChunk(Chunk256 &c, const uint8 *p, int lane) {
		c.q = load<once, Bytes16>(p + 16 * lane);
		c.high.w[0] = load<once, uint32>(p + 512 + 4 * lane);
	}
	__device__ static void fragment(const Chunk256 &c, int j, uint32 (&a)[4]) {
		for (int i = 0; i < 2; i++) {
			const uint32 q = c.q.w[2 * j + i];
			// The two bits come to 3 and 4.
			const int at = 2 * (2 * j + i);
			const uint32 high = at < 3 ? c.high.w[0] << (3 - at) : c.high.w[0] >> (at - 3);
			a[2 * i] = (q & 0x0f0f0f0f) | (high & 0x10101010);
			a[2 * i + 1] = (q & 0xf0f0f0f0) | (high & 0x08080808);
		}
	}
};

struct Q6_K {
	static constexpr Form form = form256;
	static constexpr int chunk = 768, unit = 4 * chunk + 288, lowShift = 2, highShift = 2;

	template <bool once> __device__ static void loadChunk(Chunk256 &c, const uint8 *p, int lane) {
		c.q = load<once, Bytes16>(p + 16 * lane);
		c.high = load<once, Bytes8>(p + 512 + 8 * lane);
	}
	__device__ static void fragment(const Chunk256 &c, int i, uint32 (&a)[2]) {
		const uint32 q = c.q.w[i], low = c.high.w[i / 2];
		// The two bits come to 2 and 3.
		a[0] = (q << 4 & 0xf0f0f0f0) | ((i % 2 ? low >> 2 : low << 2) & 0x0c0c0c0c);
		a[1] = (q & 0xf0f0f0f0) | ((i % 2 ? low >> 4 : low) & 0x0c0c0c0c);
	}
};

template <bool once> __device__ inline void loadHead(Head32 &h, const uint8 *head, int part, int lane) {
	for (int i = 0; i < 2; i++) h.row[i] = load<once, Bytes8>(head + 8 * (tileRows * part + lane / 4 + 8 * i));
}
template <class T, bool once> __device__ inline void loadHead(Head256 &h, const uint8 *head, int lane) {
	for (int i = 0; i < 2; i++) h.row[i] = load<once, Bytes16>(head + 16 * (lane / 4 + 8 * i));
	if constexpr (T::unit == Q6_K::unit) h.d = load<once, uint32>(head + 256 + 4 * (lane / 4));
}

// byteOf is byte j of a word.
__device__ inline int32 byteOf(uint32 word, int j) { return permute(word, 0, 0x4440 + j); }

// scalesOf is the four scales from 4 * part on of a q4_k or q5_k row, one a byte.
__device__ inline uint32 scalesOf(const Bytes16 &row, int part) { return row.w[1 + part] & 0x3f3f3f3f; }

// minsOf is the four mins from 4 * part on of a q4_k or q5_k row, one a byte.
__device__ inline uint32 minsOf(const Bytes16 &row, int part) {
	const uint32 high = part ? row.w[2] : row.w[1], low = row.w[3] >> 4 * part;
	return (low & 0x0f0f0f0f) | (high >> 2 & 0x30303030);
}

// minFragment makes the mins of two q4_k or q5_k rows, g and g+8, matrix a of a product mma.m16n8k16 of halves: lane 4g + t has
// mins t and 4 + t, each twice along k, for the two sums of 16 activations that belong to it.
__device__ inline void minFragment(uint32 (&a)[4], const Bytes16 (&rows)[2]) {
	const uint32 twice = 0x4040 + laneId() % 4 * 0x0101; // permutes byte t to both halves
	for (int i = 0; i < 2; i++) {
		const uint32 low = permute(rows[i].w[3], 0, twice);
		const uint32 high[2] = {permute(rows[i].w[1], 0, twice), permute(rows[i].w[2], 0, twice)};
		for (int j = 0; j < 2; j++) {
			// 0x6400 is the half 1024, whose last bit weighs 1.
			const uint32 mins = (low >> 4 * j & 0x000f000f) | (high[j] >> 2 & 0x00300030) | 0x64006400;
			a[2 * j + i] = addHalves(mins, 0xe400e400);
		}
	}
}
