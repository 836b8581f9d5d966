// Activations as the products of quantized weights take them: int8 with scales, bit for bit those of quant.Act.
#pragma once
#include "common.cuh"

enum Form : int32 {
	formFloat, // float32 as they are: for f32, f16, bf16
	form32,    // a scale for every 32 values: for q8_0, q4_0
	form256,   // a scale for every 256 values, and the sums of every 32: for q4_k, q5_k, q6_k
};

// Rows of k values lie in records of 8 rows x 256 values, the records of the same 8 rows one after the other. In a record,
// for its row r < 8:
//
//	0      int8, [chunk of 64 values][r][64]
//	2048   form32: scale, float [half of 128 values][r][32 values]
//	2048   form256: [r][t < 4][16 bytes]: sums of every 16 values as halves, 2t, 2t+1, 8+2t and 9+2t (they are integers below
//	       2048, so exact), and the scales of rows 2t and 2t+1
//
// The words of a chunk, 4 values each, are transposed as a 4x4 matrix: word 4i + t stands at 4t + i. So lane 4r + t finds at
// 16 * lane what it holds of matrix b in two products mma.m16n8k32, or in four m16n8k16, and in form256 all else behind them.
struct Acts {
	uint8 *at;
	int32 form;
	int32 rows, k;
	int32 groups; // of 256 values in a row, the last one perhaps part-filled
};

constexpr int actRows = 8, actGroup = 256, actRecord = 2560;
constexpr int actScales32 = 2048, actSums = 2048;

// actAt is the record that holds a group of a row.
__device__ inline uint8 *actAt(const Acts &a, int row, int group) {
	return a.at + (int64(row / actRows) * a.groups + group) * actRecord;
}

// storeActs stores 256 values of a row, those from 256 * group on. The whole warp calls it: lane l brings the values 8l to
// 8l+7 of the group, and 0 for those beyond the row's width.
__device__ inline void storeActs(const Acts &a, int row, int group, const float (&x)[8]) {
	const int lane = laneId();
	// Without its sign bit a float orders like an integer, NaNs above infinity.
	uint32 bits = 0;
	for (int i = 0; i < 8; i++) bits = larger(bits, bitsOf(x[i]) & 0x7fffffff);
	for (int mask = 1; mask < 4; mask *= 2) bits = larger(bits, shuffleXor(bits, mask)); // of 32 values
	if (a.form == form256)
		for (int mask = 4; mask < 32; mask *= 2) bits = larger(bits, shuffleXor(bits, mask));
	const float peak = floatOf(bits), inverse = 127.0f / peak;
	const bool valid = peak <= maxFloat && inverse <= maxFloat;

	uint32 words[2] = {};
	int32 sum = 0;
	if (valid) {
		// Beside 1.5 * 2^23 the last bit of a float weighs 1: the sum rounds to an integer and has its low bits.
		uint32 q[8];
		for (int i = 0; i < 8; i++) {
			q[i] = bitsOf(x[i] * inverse + 12582912.0f);
			sum += int32(q[i] - 0x4b400000);
		}
		for (int j = 0; j < 2; j++)
			words[j] = permute(permute(q[4 * j], q[4 * j + 1], 0x40), permute(q[4 * j + 2], q[4 * j + 3], 0x40), 0x5410);
	}
	const float scale = valid ? peak / 127.0f : 0;

	uint8 *record = actAt(a, row, group);
	const int r = row % actRows;
	uint32 *chunk = reinterpret_cast<uint32 *>(record + (lane / 8 * actRows + r) * 64);
	for (int j = 0; j < 2; j++) {
		const int word = 2 * (lane % 8) + j;
		chunk[word % 4 * 4 + word / 4] = words[j];
	}
	if (a.form == form32) {
		if (lane % 4 == 0)
			reinterpret_cast<float *>(record + actScales32)[(lane / 16 * actRows + r) * 4 + lane / 4 % 4] = scale;
		return;
	}
	sum += shuffleXor(sum, 1);
	if (lane % 2 == 0) {
		const int i = lane / 2; // of 16 values
		reinterpret_cast<half *>(record + actSums + 64 * r + i / 2 % 4 * 16)[i / 8 * 2 + i % 2] = halfOf(float(sum));
	}
	if (lane < actRows) reinterpret_cast<float *>(record + actSums + 64 * lane + r / 2 * 16)[2 + r % 2] = scale;
}

// Values 8l to 8l+7 of a group of 256 are lane l's, as storeActs wants them. width is a multiple of 8 or the rest is read
// value by value.
__device__ inline void loadGroup(const float *row, int group, int width, float (&x)[8]) {
	int at = actGroup * group + 8 * laneId();
	if (at + 8 <= width && width % 4 == 0) {
		for (int h = 0; h < 2; h++) {
			Bytes16 b = *reinterpret_cast<const Bytes16 *>(row + at + 4 * h);
			for (int i = 0; i < 4; i++) x[4 * h + i] = floatOf(b.w[i]);
		}
	} else {
		for (int i = 0; i < 8; i++) x[i] = at + i < width ? row[at + i] : 0;
	}
}

struct QuantizeArgs {
	Acts dst;
	const float *src; // [rows][k]
};

// A block stores a row, a warp a group at a time.
extern "C" __global__ void quantize(QuantizeArgs a) {
	releaseNext();
	awaitBefore();
	const int row = blockIdx.x;
	const float *src = a.src + int64(row) * a.dst.k;
	for (int group = warpId(); group < a.dst.groups; group += blockDim.x / 32) {
		float x[8];
		loadGroup(src, group, a.dst.k, x);
		storeActs(a.dst, row, group, x);
	}
}
