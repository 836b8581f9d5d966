// Rows of the embedding table, dequantized bit for bit as quant.Dequantize does.
#pragma once
#include "weights.h"

struct EmbedArgs {
	int cols, pad;
};

// A thread dequantizes a value: columns, rows.
template <typename T>
kernel void embed(constant EmbedArgs &a [[buffer(0)]], device const uchar *table [[buffer(1)]], device const int *tokens [[buffer(2)]],
                  device float *dst [[buffer(3)]], uint3 group [[threadgroup_position_in_grid]],
                  uint3 size [[threads_per_threadgroup]], uint index [[thread_index_in_threadgroup]]) {
	const int col = group.x * size.x + index;
	if (col >= a.cols) return;
	const int blocks = a.cols / T::values;
	device const uchar *row = table + long(tokens[group.y]) * blocks * T::bytes;
	dst[long(group.y) * a.cols + col] = T(row + col / T::values * T::bytes).value(col % T::values);
}

#define EMBED(type, name) template [[host_name("embed_" name)]] kernel decltype(embed<type>) embed<type>;

EMBED(Q8_0, "q8_0")
EMBED(Q4_0, "q4_0")
EMBED(Q4_K, "q4_k")
EMBED(Q5_K, "q5_k")
EMBED(Q6_K, "q6_k")
EMBED(F32, "f32")
EMBED(F16, "f16")
EMBED(BF16, "bf16")
