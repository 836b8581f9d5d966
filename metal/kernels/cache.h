// Keys and values as attention reads them, f32, f16 or q8_0. A KV head's positions lie in blocks of 32. Keys are transposed in
// a block, [dim/4][32 positions][4], so that a lane has a position and neighbours read neighbours; values are not,
// [32 positions][dim]. A q8_0 block has its integers first, then the scales of every 32: of keys [dim/32][32 positions], of
// values [32 positions][dim/32]. So a block has the size of 32 rows of the type.
#pragma once
#include "common.h"

enum CacheType : int { cacheF32, cacheF16, cacheQ8_0 };

// An accessor gives 4 values of the key or the value of position j of a block, from dimension d on.
struct KVF32 {
	enum { block = 0 };
	device const uchar *keys, *values;
	int dim;

	static int bytes(int dim) { return 128 * dim; }
	float4 key(int j, int d) const { return ((device const float4 *)keys)[8 * d + j]; }
	float4 value(int j, int d) const { return *(device const float4 *)(values + 4 * (j * dim + d)); }
};

struct KVF16 {
	enum { block = 0 };
	device const uchar *keys, *values;
	int dim;

	static int bytes(int dim) { return 64 * dim; }
	float4 key(int j, int d) const { return float4(((device const half4 *)keys)[8 * d + j]); }
	float4 value(int j, int d) const { return float4(*(device const half4 *)(values + 2 * (j * dim + d))); }
};

struct KVQ8_0 {
	enum { block = 0 };
	device const uchar *keys, *values;
	int dim;

	static int bytes(int dim) { return 34 * dim; }
	float4 key(int j, int d) const {
		const float scale = ((device const half *)(keys + 32 * dim))[d / 32 * 32 + j];
		return scale * float4(((device const char4 *)keys)[8 * d + j]);
	}
	float4 value(int j, int d) const {
		const float scale = ((device const half *)(values + 32 * dim))[j * (dim / 32) + d / 32];
		return scale * float4(*(device const char4 *)(values + j * dim + d));
	}
};

// KVRows accesses the rows of a pass, [row][stride] floats, as the others the cache.
struct KVRows {
	enum { block = 1 };
	device const uchar *keys, *values;
	int stride;

	float4 key(int j, int d) const { return *(device const float4 *)(keys + 4 * (j * stride + d)); }
	float4 value(int j, int d) const { return *(device const float4 *)(values + 4 * (j * stride + d)); }
};

inline int cacheBytes(int type, int dim) {
	return type == cacheF32 ? KVF32::bytes(dim) : type == cacheF16 ? KVF16::bytes(dim) : KVQ8_0::bytes(dim);
}

// putCache stores the dim values of a key (or a value) of position j of a block at base. A simdgroup does it.
inline void putCache(int type, device uchar *base, int dim, int j, bool key, ushort lane, threadgroup const float *x) {
	for (int d = lane; d < (dim + 31) / 32 * 32; d += 32) {
		const int at = key ? 4 * (d / 4 * 32 + j) + d % 4 : j * dim + d;
		if (type == cacheQ8_0) { // dim is a multiple of 32; as quant.Quantize
			const float limit = 127 * 65504.0f;
			const float v = x[d] == x[d] ? clamp(x[d], -limit, limit) : 0.0f;
			const float scale = simd_max(abs(v)) / 127.0f, inverse = 1.0f / scale;
			((device char *)base)[at] = char(round(inverse <= FLT_MAX ? v * inverse : 0.0f));
			if (lane == 0) ((device half *)(base + 32 * dim))[key ? d / 32 * 32 + j : j * (dim / 32) + d / 32] = half(scale);
		} else if (d < dim) {
			if (type == cacheF32) ((device float *)base)[at] = x[d];
			else ((device half *)base)[at] = half(x[d]);
		}
	}
}
