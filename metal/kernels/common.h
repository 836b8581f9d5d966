// What every kernel uses.
#pragma once
#include <metal_stdlib>
#include <metal_simdgroup_matrix>
using namespace metal;
// A product is rounded before it is added to something, unless fma says otherwise. Compilers that do not know the one pragma know
// the other.
#pragma METAL fp contract(off)
#pragma clang fp contract(off)

// Arrays in registers need indices that the compiler knows.
#define UNROLL _Pragma("clang loop unroll(full)")
// Loads of several blocks are on their way at a time.
#define UNROLL_4 _Pragma("clang loop unroll_count(4)")

// A simdgroup has 32 lanes. Its 8x8 matrices are spread over them: a lane holds the elements (row, 2*pair) and
// (row, 2*pair+1). Apple does not document this; a self-test at start (selftest.go) shows whether it holds.
struct Place {
	ushort row, pair;
};

inline Place placeOf(ushort lane) {
	Place p;
	p.row = (lane >> 2 & 4) | (lane >> 1 & 3);
	p.pair = (lane >> 2 & 2) | (lane & 1);
	return p;
}

// rowSum adds up what the four lanes of a row of Place hold. Floats must be integers so small that the order is no matter.
template <typename T> inline T rowSum(T x) {
	x += simd_shuffle_xor(x, ushort(1));
	return x + simd_shuffle_xor(x, ushort(8));
}

// treeSum adds up what the lanes hold, in an order of its own: that of simd_sum is not documented.
inline float treeSum(float x) {
	for (ushort mask = 16; mask > 0; mask /= 2) x += simd_shuffle_xor(x, mask);
	return x;
}

// exponential is quant.Exp, which has the constants' meaning. Results below 2^-126 may be 0.
inline float exponential(float x) {
	x = min(max(x, -104.0f), 89.0f);
	const float n = fma(x, 0x1.715476p+0f, 12582912.0f) - 12582912.0f;
	const float r = fma(n, 0x1.05c61p-29f, fma(n, -0x1.62e43p-1f, x));
	float p = fma(0x1.6a244cp-10f, r, 0x1.1239d4p-7f);
	p = fma(p, r, 0x1.5558f2p-5f);
	p = fma(p, r, 0x1.555492p-3f);
	p = fma(p, r, 0x1.fffffcp-2f);
	p = fma(p, r, 1.0f);
	p = fma(p, r, 1.0f);
	const int e = int(n), h = e >> 1;
	return p * as_type<float>(uint(h + 127) << 23) * as_type<float>(uint(e - h + 127) << 23);
}
