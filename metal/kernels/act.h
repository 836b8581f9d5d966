// Activations as the products of quantized weights take them: integers with scales, bit for bit those of quant.Act.
#pragma once
#include "common.h"

enum Form : int {
	formFloat, // float as they are: for f32, f16, bf16
	form32,    // a scale for every 32 values: for q8_0, q4_0
	form256,   // a scale for every 256 values, and the sums of every 32: for q4_k, q5_k, q6_k
};

// Rows of k values lie in tiles of 8 rows: int8 as halves, which hold them exactly, in blocks of 32 values [tile][k/32][8][32];
// scales [tile][k/32 or k/256][8]; sums [tile][k/256][8][8 blocks].
//
// A block is the operand of four products of 8x8 matrices. Of the words of 4 values that a lane of pair p unpacks, 4p.. and
// 16+4p.., values 0 and 2 belong to one matrix, 1 and 3 to the next one; so value 16h + 4p + j stands at 8*(2h + j%2) + 2p + j/2.
struct Acts {
	device half *q;
	device float *scales, *sums;
	int form, k;
};

inline Acts actsOf(int form, int k, device half *q, device float *scales, device float *sums) {
	Acts a;
	a.q = q, a.scales = scales, a.sums = sums, a.form = form, a.k = k;
	return a;
}

// storeActs stores 256 values of a row, those from 256*group on. All of a simdgroup call it: lane l brings the values 8l to
// 8l+7 of the group, and 0 for those beyond the row's width.
inline void storeActs(Acts a, int row, int group, ushort lane, thread const float *x) {
	// Without its sign bit a float orders like an integer, NaNs above infinity.
	uint bits = 0;
	for (int i = 0; i < 8; i++) bits = max(bits, as_type<uint>(x[i]) & 0x7fffffff);
	const ushort lanes = a.form == form256 ? 32 : 4; // share a scale
	for (ushort mask = 1; mask < lanes; mask *= 2) bits = max(bits, simd_shuffle_xor(bits, mask));
	const float peak = as_type<float>(bits), inverse = 127.0f / peak;
	const bool valid = peak <= FLT_MAX && inverse <= FLT_MAX;

	float q[8];
	int sum = 0;
	for (int i = 0; i < 8; i++) {
		q[i] = valid ? rint(x[i] * inverse) : 0.0f;
		sum += int(q[i]);
	}
	sum += simd_shuffle_xor(sum, ushort(1));
	sum += simd_shuffle_xor(sum, ushort(2));
	const int block = 8 * group + lane / 4, quarter = lane % 4;
	if (32 * block >= a.k) return;
	const int tile = row / 8, r = row % 8;
	device half *to = a.q + (long(tile) * (a.k / 32) + block) * 256 + 32 * r + quarter / 2 * 16 + quarter % 2 * 4;
	*(device half4 *)to = half4(q[0], q[2], q[4], q[6]);
	*(device half4 *)(to + 8) = half4(q[1], q[3], q[5], q[7]);

	const float scale = valid ? peak / 127.0f : 0.0f;
	if (a.form == form32) {
		if (quarter == 0) a.scales[(tile * (a.k / 32) + block) * 8 + r] = scale;
		return;
	}
	const int super = tile * (a.k / 256) + group;
	if (quarter == 0) a.sums[super * 64 + 8 * r + lane / 4] = sum;
	if (lane == 0) a.scales[super * 8 + r] = scale;
}

struct QuantizeArgs {
	int form, k;
};

// A simdgroup stores 256 values of a row: groups of the row, rows.
kernel void quantize(constant QuantizeArgs &a [[buffer(0)]], device const float *src [[buffer(1)]], device half *q [[buffer(2)]],
                     device float *scales [[buffer(3)]], device float *sums [[buffer(4)]],
                     uint3 group [[threadgroup_position_in_grid]], ushort lane [[thread_index_in_simdgroup]]) {
	float x[8];
	for (int i = 0; i < 8; i++) {
		const int k = 256 * group.x + 8 * lane + i;
		x[i] = k < a.k ? src[long(group.y) * a.k + k] : 0.0f;
	}
	storeActs(actsOf(a.form, a.k, q, scales, sums), group.y, group.x, lane, x);
}
