// Rows of a table, dequantized: bit for bit quant.Dequantize.
#pragma once
#include "float.cuh"

struct EmbedArgs {
	const uint8 *table;
	const int32 *tokens;
	float *dst; // [rows][k]
	int32 format, k;
};

// integersOf takes 4 values of a unit, from k on in row < 16, out of the fragments that products take.
template <class T, class Chunk, bool isSigned> __device__ inline void integersOf(int32 (&q)[4], const uint8 *unit, int row, int k) {
	Chunk chunk;
	T::template loadChunk<false>(chunk, unit + k / 64 * T::chunk, 4 * (row % 8) + k / 4 % 4);
	const int i = k / 16 % 4, high = row / 8;
	uint32 word = 0;
	if constexpr (T::unit == Q6_K::unit)
		for (int n = 0; n < 4; n++) {
			uint32 a[2];
			T::fragment(chunk, n, a);
			if (n == i) word = a[high];
		}
	else
		for (int j = 0; j < 2; j++) {
			uint32 a[4];
			T::fragment(chunk, j, a);
			if (j == i / 2) word = a[i % 2 * 2 + high];
		}
	for (int n = 0; n < 4; n++) {
		const uint32 byte = word >> 8 * n & 255;
		q[n] = (isSigned ? int32(int8(byte)) : int32(byte)) >> (high ? T::highShift : T::lowShift);
	}
}

template <class T> __device__ inline void embed32(float (&x)[4], const uint8 *unit, int row, int k) {
	int32 q[4];
	integersOf<T, Chunk32, true>(q, unit, row, k);
	const half *scales = reinterpret_cast<const half *>(unit + 4 * T::chunk);
	const float d = floatOfHalf(scales[(tileRows * (k / 128) + row) * 4 + k / 32 % 4]);
	for (int n = 0; n < 4; n++) x[n] = d * float(q[n]);
}

// q4_k and q5_k.
template <class T> __device__ inline void embedAffine(float (&x)[4], const uint8 *unit, int row, int k) {
	int32 q[4];
	integersOf<T, Chunk256, false>(q, unit, row, k);
	const Bytes16 head = *reinterpret_cast<const Bytes16 *>(unit + 4 * T::chunk + 16 * row);
	const int j = k / 32;
	const float scale = floatOfHalf(half(head.w[0])) * float(byteOf(scalesOf(head, j / 4), j % 4));
	const float min = floatOfHalf(half(head.w[0] >> 16)) * float(byteOf(minsOf(head, j / 4), j % 4));
	for (int n = 0; n < 4; n++) x[n] = scale * float(q[n]) - min;
}

__device__ inline void embedQ6_K(float (&x)[4], const uint8 *unit, int row, int k) {
	int32 q[4];
	integersOf<Q6_K, Chunk256, true>(q, unit, row, k);
	const uint8 *head = unit + 4 * Q6_K::chunk;
	const float d = floatOfHalf(reinterpret_cast<const half *>(head + 16 * tileRows)[row % 8 * 2 + row / 8]);
	const float scale = d * float(int8(head[16 * row + k / 16]));
	for (int n = 0; n < 4; n++) x[n] = scale * float(q[n]);
}

// embedFloat takes one value.
template <class T> __device__ inline float embedFloat(const uint8 *table, int64 row, int k, int width) {
	const int step = 16 * T::values, i = k % step;
	const uint8 *lane = table + row * floatRowBytes<T>(width) + int64(k / step) * floatChunk + 16 * (i % 16);
	return T::value(*reinterpret_cast<const Bytes16 *>(lane), i / 16);
}

// A block takes a row.
extern "C" __global__ void embed(EmbedArgs a) {
	releaseNext();
	awaitBefore();
	const int64 token = a.tokens[blockIdx.x];
	float *dst = a.dst + int64(blockIdx.x) * a.k;
	if (a.format == typeF32 || a.format == typeF16 || a.format == typeBF16) {
		for (int k = threadIdx.x; k < a.k; k += blockDim.x)
			dst[k] = a.format == typeF32   ? embedFloat<FloatF32>(a.table, token, k, a.k)
			         : a.format == typeF16 ? embedFloat<FloatF16>(a.table, token, k, a.k)
			                               : embedFloat<FloatBF16>(a.table, token, k, a.k);
		return;
	}
	const int groups = ceilDiv(a.k, unitValues), row = token % tileRows;
	for (int k = 4 * threadIdx.x; k < a.k; k += 4 * blockDim.x) {
		const int64 unit = token / tileRows * groups + k / unitValues;
		const int at = k % unitValues;
		float x[4];
		if (a.format == typeQ8_0) embed32<Q8_0>(x, a.table + unit * Q8_0::unit, row, at);
		else if (a.format == typeQ4_0) embed32<Q4_0>(x, a.table + unit * Q4_0::unit, row, at);
		else if (a.format == typeQ4_K) embedAffine<Q4_K>(x, a.table + unit * Q4_K::unit, row, at);
		else if (a.format == typeQ5_K) embedAffine<Q5_K>(x, a.table + unit * Q5_K::unit, row, at);
		else embedQ6_K(x, a.table + unit * Q6_K::unit, row, at);
		for (int n = 0; n < 4; n++) dst[k + n] = x[n];
	}
}
