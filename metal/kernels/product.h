// Products of quantized weights, bit for bit those of quant.MatMul: exact integers in a block, one chain of fused
// multiply-adds over the blocks.
//
// Integers are held in halves (up to 2048) and floats (up to 2^24), which hold them exactly: 32 products of weights and
// activations are below 2^20, and times a scale below 2^24. So it does not matter in which order they are added.
#pragma once
#include "act.h"
#include "weights.h"

struct ProductArgs {
	int rows, cols; // of the weight
	int inputs;     // rows of activations
	int add;        // to dst, which is [inputs][rows]
};

inline void store(constant ProductArgs &a, device float *dst, int row, int input, float dot) {
	if (row >= a.rows || input >= a.inputs) return;
	device float *y = dst + long(input) * a.rows + row;
	*y = a.add ? *y + dot : dot;
}

// dot multiplies a lane's part of two matrices.
inline float dot(Part w, device const half2 *x, int from) {
	float s = 0;
	UNROLL for (int f = from; f < from + 2; f++) {
		s = fma(float(w.of[f].x), float(x[4 * f].x), s);
		s = fma(float(w.of[f].y), float(x[4 * f].y), s);
	}
	return s;
}

// In multiplyRow a simdgroup multiplies 8 weight rows and N rows of activations, lanes of a row sharing every block.
template <typename T, int N>
kernel void multiplyRow32(constant ProductArgs &a [[buffer(0)]], device const uchar *w [[buffer(1)]], device const half *q [[buffer(2)]],
                          device const float *scales [[buffer(3)]], device float *dst [[buffer(5)]],
                          uint3 group [[threadgroup_position_in_grid]], uint3 size [[threads_per_threadgroup]],
                          ushort simd [[simdgroup_index_in_threadgroup]], ushort lane [[thread_index_in_simdgroup]]) {
	const Place p = placeOf(lane);
	const int row = 8 * (group.x * size.x / 32 + simd) + p.row, blocks = a.cols / T::values;
	const int input = N * group.y, tile = input / 8, first = input % 8; // the N rows lie in one tile
	device const uchar *at = w + long(min(row, a.rows - 1)) * blocks * T::bytes;
	device const half2 *x = (device const half2 *)(q + long(tile) * blocks * 256 + 32 * first) + p.pair;
	device const float *scale = scales + tile * blocks * 8 + first;
	float acc[N] = {};
	UNROLL_4 for (int b = 0; b < blocks; b++, x += 128, scale += 8) {
		const T block(at + b * T::bytes);
		const Part v = block.load(p.pair);
		UNROLL for (int i = 0; i < N; i++) {
			const float s = rowSum(dot(v, x + 16 * i, 0) + dot(v, x + 16 * i, 2)), d = block.d * scale[i];
			acc[i] = fma(d, s, acc[i]);
		}
	}
	if (p.pair > 0) return;
	UNROLL for (int i = 0; i < N; i++) store(a, dst, row, input + i, acc[i]);
}

template <typename T, int N>
kernel void multiplyRow256(constant ProductArgs &a [[buffer(0)]], device const uchar *w [[buffer(1)]], device const half *q [[buffer(2)]],
                           device const float *scales [[buffer(3)]], device const float *sums [[buffer(4)]], device float *dst [[buffer(5)]],
                           uint3 group [[threadgroup_position_in_grid]], uint3 size [[threads_per_threadgroup]],
                           ushort simd [[simdgroup_index_in_threadgroup]], ushort lane [[thread_index_in_simdgroup]]) {
	const Place p = placeOf(lane);
	const int row = 8 * (group.x * size.x / 32 + simd) + p.row, blocks = a.cols / T::values;
	const int input = N * group.y, tile = input / 8, first = input % 8; // the N rows lie in one tile
	device const uchar *at = w + long(min(row, a.rows - 1)) * blocks * T::bytes;
	device const half2 *x = (device const half2 *)(q + long(tile) * blocks * 2048 + 32 * first) + p.pair;
	device const float *scale = scales + tile * blocks * 8 + first, *sum = sums + long(tile) * blocks * 64 + 8 * first + 2 * p.pair;
	float acc[N] = {};
	for (int b = 0; b < blocks; b++, scale += 8, sum += 64) {
		const T block(at + b * T::bytes);
		int dots[N] = {};
		UNROLL for (ushort sub = 0; sub < 8; sub++, x += 128) {
			const Part v = block.load(sub, p.pair);
			const float s0 = block.scale(sub, 0), s1 = block.scale(sub, 1);
			UNROLL for (int i = 0; i < N; i++) {
				const float low = dot(v, x + 16 * i, 0), high = dot(v, x + 16 * i, 2);
				dots[i] += int(T::fine ? fma(s1, high, s0 * low) : s0 * (low + high));
			}
		}
		UNROLL for (int i = 0; i < N; i++) {
			const float d = block.d * scale[i];
			acc[i] = fma(d, float(rowSum(dots[i])), acc[i]);
			if (T::hasMins) {
				const float m = fma(block.least(2 * p.pair), sum[8 * i], block.least(2 * p.pair + 1) * sum[8 * i + 1]), dmin = block.dmin * scale[i];
				acc[i] = fma(-dmin, rowSum(m), acc[i]);
			}
		}
	}
	if (p.pair > 0) return;
	UNROLL for (int i = 0; i < N; i++) store(a, dst, row, input + i, acc[i]);
}

// In multiplyTile a simdgroup multiplies 8*R weight rows and up to 8*C rows of activations, by products of 8x8 matrices. A
// weight is read and unpacked once for all of these: straight to the registers that are the lane's elements of a matrix.

inline simdgroup_float8x8 zeros() { return make_filled_simdgroup_matrix<float, 8, 8>(0.0f); }

inline float2 elements(simdgroup_float8x8 m) { return float2(m.thread_elements()[0], m.thread_elements()[1]); }

template <typename T> inline simdgroup_matrix<T, 8, 8> matrixOf(T e0, T e1) {
	simdgroup_matrix<T, 8, 8> m;
	m.thread_elements()[0] = e0;
	m.thread_elements()[1] = e1;
	return m;
}

// Operand is 32 values of 8 rows, as four matrices.
struct Operand {
	simdgroup_half8x8 of[4];
};

inline Operand operandOf(Part p) {
	Operand o;
	UNROLL for (int f = 0; f < 4; f++) o.of[f] = matrixOf<half>(p.of[f].x, p.of[f].y);
	return o;
}

inline Operand loadOperand(device const half *q) {
	Operand o;
	UNROLL for (int f = 0; f < 4; f++) simdgroup_load(o.of[f], q + 8 * f, 32, ulong2(0), true);
	return o;
}

// multiply returns a lane's elements of the product of matrices [from, to).
inline float2 multiply(thread Operand &w, thread Operand &x, int from, int to) {
	simdgroup_float8x8 s = zeros();
	UNROLL for (int f = from; f < to; f++) simdgroup_multiply_accumulate(s, w.of[f], x.of[f], s);
	return elements(s);
}

template <int R, int C>
inline void storeTile(constant ProductArgs &a, device float *dst, int row, int input, thread float2 (&acc)[R][C]) {
	UNROLL for (int r = 0; r < R; r++)
		UNROLL for (int c = 0; c < C; c++) {
			store(a, dst, row + 8 * r, input + 8 * c, acc[r][c].x);
			store(a, dst, row + 8 * r, input + 8 * c + 1, acc[r][c].y);
		}
}

template <typename T, int R, int C>
kernel void multiplyTile32(constant ProductArgs &a [[buffer(0)]], device const uchar *w [[buffer(1)]], device const half *q [[buffer(2)]],
                           device const float *scales [[buffer(3)]], device float *dst [[buffer(5)]],
                           uint3 group [[threadgroup_position_in_grid]], uint3 size [[threads_per_threadgroup]],
                           ushort simd [[simdgroup_index_in_threadgroup]], ushort lane [[thread_index_in_simdgroup]]) {
	const Place p = placeOf(lane);
	const int row = 8 * R * (group.x * size.x / 32 + simd) + p.row, blocks = a.cols / T::values;
	const int tile = C * group.y, tiles = min(C, (a.inputs + 7) / 8 - tile);
	if (row - p.row >= a.rows) return;
	device const uchar *at[R];
	UNROLL for (int r = 0; r < R; r++) at[r] = w + long(min(row + 8 * r, a.rows - 1)) * blocks * T::bytes;

	float2 acc[R][C] = {};
	for (int b = 0; b < blocks; b++) {
		Operand weights[R];
		float d[R];
		UNROLL for (int r = 0; r < R; r++) {
			const T block(at[r] + b * T::bytes);
			weights[r] = operandOf(block.load(p.pair));
			d[r] = block.d;
		}
		UNROLL for (int c = 0; c < C; c++) {
			if (c >= tiles) break;
			const long record = long(tile + c) * blocks + b;
			Operand x = loadOperand(q + record * 256);
			const float2 scale = *(device const float2 *)(scales + record * 8 + 2 * p.pair);
			UNROLL for (int r = 0; r < R; r++) acc[r][c] = fma(d[r] * scale, multiply(weights[r], x, 0, 4), acc[r][c]);
		}
	}
	storeTile<R, C>(a, dst, row, 8 * tile + 2 * p.pair, acc);
}

template <typename T, int R, int C>
kernel void multiplyTile256(constant ProductArgs &a [[buffer(0)]], device const uchar *w [[buffer(1)]], device const half *q [[buffer(2)]],
                            device const float *scales [[buffer(3)]], device const float *sums [[buffer(4)]], device float *dst [[buffer(5)]],
                            uint3 group [[threadgroup_position_in_grid]], uint3 size [[threads_per_threadgroup]],
                            ushort simd [[simdgroup_index_in_threadgroup]], ushort lane [[thread_index_in_simdgroup]]) {
	const Place p = placeOf(lane);
	const int row = 8 * R * (group.x * size.x / 32 + simd) + p.row, blocks = a.cols / T::values;
	const int tile = C * group.y, tiles = min(C, (a.inputs + 7) / 8 - tile);
	if (row - p.row >= a.rows) return;
	device const uchar *at[R];
	UNROLL for (int r = 0; r < R; r++) at[r] = w + long(min(row + 8 * r, a.rows - 1)) * blocks * T::bytes;

	float2 acc[R][C] = {};
	for (int b = 0; b < blocks; b++) {
		T block[R];
		UNROLL for (int r = 0; r < R; r++) block[r] = T(at[r] + b * T::bytes);
		int2 dots[R][C] = {};
		for (ushort sub = 0; sub < 8; sub++) {
			Operand weights[R];
			float scale[R][2];
			UNROLL for (int r = 0; r < R; r++) {
				weights[r] = operandOf(block[r].load(sub, p.pair));
				scale[r][0] = block[r].scale(sub, 0), scale[r][1] = block[r].scale(sub, 1);
			}
			UNROLL for (int c = 0; c < C; c++) {
				if (c >= tiles) break;
				Operand x = loadOperand(q + ((long(tile + c) * blocks + b) * 8 + sub) * 256);
				UNROLL for (int r = 0; r < R; r++) {
					if (T::fine) {
						const float2 low = scale[r][0] * multiply(weights[r], x, 0, 2);
						dots[r][c] += int2(fma(float2(scale[r][1]), multiply(weights[r], x, 2, 4), low));
					} else {
						dots[r][c] += int2(scale[r][0] * multiply(weights[r], x, 0, 4));
					}
				}
			}
		}
		UNROLL for (int c = 0; c < C; c++) {
			if (c >= tiles) break;
			const long record = long(tile + c) * blocks + b;
			const float2 scale = *(device const float2 *)(scales + record * 8 + 2 * p.pair);
			simdgroup_float8x8 sum;
			if (T::hasMins) simdgroup_load(sum, sums + record * 64, 8, ulong2(0), true);
			UNROLL for (int r = 0; r < R; r++) {
				acc[r][c] = fma(block[r].d * scale, float2(dots[r][c]), acc[r][c]);
				if (T::hasMins) {
					simdgroup_float8x8 m = zeros(), least = matrixOf<float>(block[r].least(2 * p.pair), block[r].least(2 * p.pair + 1));
					simdgroup_multiply_accumulate(m, least, sum, m);
					acc[r][c] = fma(-(block[r].dmin * scale), elements(m), acc[r][c]);
				}
			}
		}
	}
	storeTile<R, C>(a, dst, row, 8 * tile + 2 * p.pair, acc);
}

// A name says what is multiplied: multiplyRow_q4_k_1 (N), multiplyTile_q4_k_2_4 (R, C).
#define ROW(form, type, name, n) \
	template [[host_name("multiplyRow_" name "_" #n)]] kernel decltype(multiplyRow##form<type, n>) multiplyRow##form<type, n>;
#define TILE(form, type, name, r, c) \
	template [[host_name("multiplyTile_" name "_" #r "_" #c)]] kernel decltype(multiplyTile##form<type, r, c>) multiplyTile##form<type, r, c>;
#define PRODUCTS(form, type, name) \
	ROW(form, type, name, 1) ROW(form, type, name, 2) \
	TILE(form, type, name, 1, 1) TILE(form, type, name, 1, 2) TILE(form, type, name, 1, 4) TILE(form, type, name, 2, 4)

PRODUCTS(32, Q8_0, "q8_0")
PRODUCTS(32, Q4_0, "q4_0")
PRODUCTS(256, Q4_K, "q4_k")
PRODUCTS(256, Q5_K, "q5_k")
PRODUCTS(256, Q6_K, "q6_k")
