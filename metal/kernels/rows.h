// Operations on rows by themselves. They leave their rows as floats, or as activations for the product that follows, or both.
#pragma once
#include "act.h"

struct RowArgs {
	int width;
	int floats; // store floats
	int form;   // store activations, if not formFloat
	float eps;  // of norm
};

// storeRow stores 256 values of a row as they are wanted: lane l has those from 256*group + 8l on.
inline void storeRow(constant RowArgs &a, device float *dst, Acts acts, int row, int group, ushort lane, thread const float *x) {
	const int k = 256 * group + 8 * lane;
	if (a.floats)
		for (int i = 0; i < 8 && k + i < a.width; i++) dst[long(row) * a.width + k + i] = x[i];
	if (a.form != formFloat) storeActs(acts, row, group, lane, x);
}

// RMS norm: x * (1/sqrt(mean + eps)) * w. A threadgroup takes a row.
kernel void norm(constant RowArgs &a [[buffer(0)]], device const float *src [[buffer(1)]], device const float *w [[buffer(2)]],
                 device float *dst [[buffer(3)]], device half *q [[buffer(4)]], device float *scales [[buffer(5)]], device float *sums [[buffer(6)]],
                 uint3 at [[threadgroup_position_in_grid]], uint3 size [[threads_per_threadgroup]],
                 ushort simd [[simdgroup_index_in_threadgroup]], ushort lane [[thread_index_in_simdgroup]]) {
	threadgroup float squares[32];
	const int row = at.x, simds = size.x / 32, groups = (a.width + 255) / 256;
	device const float *x = src + long(row) * a.width;
	float sum = 0;
	for (int k = 32 * simd + lane; k < a.width; k += size.x) sum = fma(x[k], x[k], sum);
	sum = treeSum(sum);
	if (lane == 0) squares[simd] = sum;
	threadgroup_barrier(mem_flags::mem_threadgroup);
	sum = 0;
	for (int i = 0; i < simds; i++) sum += squares[i];
	const float scale = 1.0f / precise::sqrt(sum / float(a.width) + a.eps);
	for (int group = simd; group < groups; group += simds) {
		float y[8];
		for (int i = 0; i < 8; i++) {
			const int k = 256 * group + 8 * lane + i;
			y[i] = k < a.width ? x[k] * scale * w[k] : 0.0f;
		}
		storeRow(a, dst, actsOf(a.form, a.width, q, scales, sums), row, group, lane, y);
	}
}

// silu(gate) * up. A simdgroup takes 256 values: groups of the row, rows.
kernel void gate(constant RowArgs &a [[buffer(0)]], device const float *gated [[buffer(1)]], device const float *up [[buffer(2)]],
                 device float *dst [[buffer(3)]], device half *q [[buffer(4)]], device float *scales [[buffer(5)]], device float *sums [[buffer(6)]],
                 uint3 at [[threadgroup_position_in_grid]], ushort lane [[thread_index_in_simdgroup]]) {
	float y[8];
	for (int i = 0; i < 8; i++) {
		const int k = 256 * at.x + 8 * lane + i;
		const long from = long(at.y) * a.width + k;
		y[i] = 0;
		if (k < a.width) {
			const float g = gated[from];
			y[i] = g / (1.0f + exponential(-g)) * up[from];
		}
	}
	storeRow(a, dst, actsOf(a.form, a.width, q, scales, sums), at.y, at.x, lane, y);
}
