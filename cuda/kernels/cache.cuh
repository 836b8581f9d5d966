// How keys and values lie in the cache: by layer, keys then values, kv head, and group of 32 positions.
//
// A group of f16 is a row of chunks, each 32 positions x 32 values of the head, in the order in which lanes take the
// second operand of mma.m16n8k16: see fragment. So a lane gets its part of 2 x 4 products by 16-byte loads that are
// contiguous over the warp, from global or from shared memory, and a tile is copied as it lies. A product sums over the
// head for scores and over positions for values, hence keys have the positions as columns and values the head.
//
// q8_0 has the same order with bytes, of two neighbouring column tiles side by side, as q+128; the scales of the chunks
// follow (scaleOfKey, or by position for values). A group of f32 is plain rows.
#pragma once
#include "common.cuh"

enum CacheType : int32 { cacheF32, cacheF16, cacheQ8 };

constexpr int groupKeys = 32;
constexpr int chunkElems = 32 * 32;

// A tile of 8 columns takes column g from lane 4g+t and, of 32 terms, 8t to 8t+7 from lane 4g+t in two products. Columns
// are dealt out so that a lane's results of four tiles, two neighbours each, are 8 in a row, just what the next product
// wants as its terms: tile j has columns 8(g/2) + 2j + g%2.
__device__ inline int columnTile(int column) { return column / 2 % 4; }
__device__ inline int columnLane(int column) { return 2 * (column / 8) + column % 2; }

// fragment is the index of a chunk's element.
__device__ inline int fragment(int column, int term) {
	return (columnTile(column) * 32 + columnLane(column) * 4 + term / 8) * 8 + term % 8;
}
__device__ inline int fragmentQ8(int column, int term) {
	int tile = columnTile(column);
	return (tile / 2 * 32 + columnLane(column) * 4 + term / 8) * 16 + tile % 2 * 8 + term % 8;
}
// scaleOfKey is the index of a key's scale among those of a chunk: a lane takes those of its four columns at once.
__device__ inline int scaleOfKey(int key) { return columnLane(key) * 4 + columnTile(key); }

// rowBytes is what a head takes at one position.
__device__ inline int rowBytes(CacheType type, int dim) {
	return type == cacheF32 ? 4 * dim : type == cacheF16 ? 2 * dim : dim / 32 * 34;
}

// Element finds value i of the head at a position. Of q8_0 that is a byte and a scale.
struct Element {
	int64 value, scale; // bytes from the head's first group
};

__device__ inline Element element(CacheType type, bool isKey, int dim, int position, int i) {
	int64 group = int64(position / groupKeys) * groupKeys * rowBytes(type, dim);
	int key = position % groupKeys, chunk = i / 32;
	i %= 32;
	int column = isKey ? key : i, term = isKey ? i : key;
	if (type == cacheF32) return {group + 4 * (key * dim + 32 * chunk + i), 0};
	if (type == cacheF16) return {group + 2 * (chunk * chunkElems + fragment(column, term)), 0};
	int scale = dim / 32 * chunkElems + 2 * (chunk * 32 + (isKey ? scaleOfKey(key) : key));
	return {group + chunk * chunkElems + fragmentQ8(column, term), group + scale};
}

// A product with a weight of 0 must be 0, so no value of the cache may be infinite or NaN. These bound what f16 and q8_0
// hold, scales included.
__device__ inline float bounded(float x, float limit) { return fminf(fmaxf(x, -limit), limit); }
constexpr float maxScale = 512; // 127 times it is below maxHalf

// storeHead writes a head at a position: a warp whose lane l has values l, l+32, ..., n of them. dim is below 32n only
// with f32.
template <int n> __device__ inline void storeHead(CacheType type, bool isKey, uint8 *head, int dim, int position, const float (&x)[n]) {
	int lane = laneId();
	// The next chunk's element lies at a fixed distance.
	Element e = element(type, isKey, dim, position, lane);
	const int step = type == cacheF32 ? 4 * 32 : type == cacheF16 ? 2 * chunkElems : chunkElems;
	for (int c = 0; c < n; c++, e.value += step, e.scale += 2 * 32) {
		if (32 * c + lane >= dim) break;
		if (type == cacheF32) {
			*reinterpret_cast<float *>(head + e.value) = x[c];
		} else if (type == cacheF16) {
			*reinterpret_cast<half *>(head + e.value) = halfOf(bounded(x[c], maxHalf));
		} else {
			float v = bounded(x[c], 127 * maxScale), peak = fabsf(v);
			for (int m = 16; m > 0; m /= 2) peak = fmaxf(peak, shuffleXor(peak, m));
			float scale = peak / 127, inverse = scale == 0 ? 0 : 1 / scale;
			v *= inverse;
			head[e.value] = uint8(int(v + copysignf(0.5f, v)) + 128); // halves go away from zero
			if (lane == 0) *reinterpret_cast<half *>(head + e.scale) = halfOf(scale);
		}
	}
}

// Rows of a session file (engine.Context.SaveKV) are kv heads' rows by position, keys then values, in gguf's types.
struct SessionArgs {
	uint8 *rows;   // from row first on
	uint8 *keys;   // the layer's; its values follow
	int64 first, count;
	int64 headBytes;
	int32 positions, kvHeads, dim;
	CacheType t;
	int32 restore, pad;
};

// A warp copies a row, lane by lane.
extern "C" __global__ void session(SessionArgs a) {
	releaseNext();
	awaitBefore();
	int64 r = int64(blockIdx.x) * (blockDim.x / 32) + warpId();
	if (r >= a.count) return;
	uint8 *row = a.rows + r * rowBytes(a.t, a.dim);
	r += a.first;
	int64 head = r / a.positions;
	int position = r % a.positions;
	uint8 *at = a.keys + head * a.headBytes;
	for (int i = laneId(); i < a.dim; i += 32) {
		Element e = element(a.t, head < a.kvHeads, a.dim, position, i);
		if (a.t == cacheF32) {
			float *x = reinterpret_cast<float *>(at + e.value), *y = reinterpret_cast<float *>(row) + i;
			if (a.restore) *x = *y;
			else *y = *x;
		} else if (a.t == cacheF16) {
			half *x = reinterpret_cast<half *>(at + e.value), *y = reinterpret_cast<half *>(row) + i;
			if (a.restore) *x = halfOf(bounded(floatOfHalf(*y), maxHalf));
			else *y = *x;
		} else {
			uint8 *block = row + i / 32 * 34;
			half *x = reinterpret_cast<half *>(at + e.scale), *y = reinterpret_cast<half *>(block);
			uint8 *q = block + 2 + i % 32;
			if (a.restore) {
				at[e.value] = *q ^ 0x80;
				*x = halfOf(bounded(floatOfHalf(*y), maxScale)); // the same from all lanes
			} else {
				*q = at[e.value] ^ 0x80;
				if (i % 32 == 0) *y = *x;
			}
		}
	}
}
