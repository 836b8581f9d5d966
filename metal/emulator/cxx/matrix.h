// SIMD-group matrices (specification, section 6.7 of 3.2: "SIMD-group matrix functions"): 8 x 8 elements, two in each lane.
#pragma once
#pragma clang system_header
#include "arithmetic.h"
#include "simdgroup.h"

namespace metal {

// The two elements of a lane are neighbours in a row. The specification does not tell which; this is how the chips have it
// that there are (a quarter of the matrix for eight lanes).
inline uint matrix_row(uint lane) { return (lane & 16) / 4 + lane / 2 % 4; }
inline uint matrix_column(uint lane) { return (lane & 8) / 2 + lane % 2 * 2; }

template <class T, int rows, int columns> struct simdgroup_matrix {
	static_assert(rows == 8 && columns == 8 && floating<T>);
	typedef vec<T, 2> storage_type;
	storage_type elements;

	simdgroup_matrix() { // poison: no number
		memset(&elements, 0xFF, sizeof elements);
	}
	// A diagonal matrix.
	explicit simdgroup_matrix(T value) {
		for (uint i = 0; i < 2; i++)
			elements[i] = matrix_row(simd::lane()) == matrix_column(simd::lane()) + i ? value : T(0);
	}
	storage_type &thread_elements() { return elements; }
};
template <class T, int rows, int columns>
inline simdgroup_matrix<T, rows, columns> make_filled_simdgroup_matrix(T value) {
	simdgroup_matrix<T, rows, columns> m;
	m.elements = value;
	return m;
}

// In memory row i begins at element i * stride; transposed, column i does. All lanes' writes have to be there before: a
// barrier's matter.
template <class T, class P>
inline void simdgroup_load(simdgroup_matrix<T, 8, 8> &m, P from, ulong stride = 8, vec<ulong, 2> origin = 0, bool transpose = false) {
	if (origin[0] || origin[1])
		emulator::fail("simdgroup_load with an origin: add it to the pointer");
	for (uint i = 0; i < 2; i++) {
		ulong row = matrix_row(simd::lane()), column = matrix_column(simd::lane()) + i;
		m.elements[i] = transpose ? from[column * stride + row] : from[row * stride + column];
	}
}
template <class T, class P>
inline void simdgroup_store(simdgroup_matrix<T, 8, 8> m, P to, ulong stride = 8, vec<ulong, 2> origin = 0, bool transpose = false) {
	if (origin[0] || origin[1])
		emulator::fail("simdgroup_store with an origin: add it to the pointer");
	for (uint i = 0; i < 2; i++) {
		ulong row = matrix_row(simd::lane()), column = matrix_column(simd::lane()) + i;
		to[transpose ? column * stride + row : row * stride + column] = m.elements[i];
	}
}

namespace simd {

template <class A, class B, class C> struct Product {
	const vec<A, 2> *a;
	const vec<B, 2> *b;
	const vec<C, 2> *c;
	vec<C, 2> d;
};

// Neither the order of the additions nor whether they fuse is told: both are random, but the same for a whole matrix.
template <class A, class B, class C> UNCHECKED void multiply(void *const *operands, uint32_t mask) {
	if (mask != ~0u)
		emulator::fail("a SIMD-group matrix in a SIMD-group of lanes %08x", mask);
	auto lanes = reinterpret_cast<Product<A, B, C> *const *>(operands);
	float a[8][8], b[8][8], d[8][8];
	for (uint lane = 0; lane < 32; lane++)
		for (uint i = 0; i < 2; i++) {
			uint row = matrix_row(lane), column = matrix_column(lane) + i;
			a[row][column] = (*lanes[lane]->a)[i];
			b[row][column] = (*lanes[lane]->b)[i];
			d[row][column] = (*lanes[lane]->c)[i];
		}
	int order[8];
	shuffled(order, 8);
	uint r = emulator::random();
	bool last = r & 1, fused = r & 2; // the sum so far is added at the end
	for (int row = 0; row < 8; row++) {
		float sum[8];
		for (int column = 0; column < 8; column++)
			sum[column] = last ? 0 : d[row][column];
		for (int k : order)
			for (int column = 0; column < 8; column++)
				sum[column] = fused ? __builtin_fmaf(a[row][k], b[k][column], sum[column]) : sum[column] + a[row][k] * b[k][column];
		for (int column = 0; column < 8; column++)
			d[row][column] = last ? d[row][column] + sum[column] : sum[column];
	}
	for (uint lane = 0; lane < 32; lane++)
		for (uint i = 0; i < 2; i++)
			lanes[lane]->d[i] = static_cast<C>(d[matrix_row(lane)][matrix_column(lane) + i]);
}

} // namespace simd

template <class A, class B, class C>
inline void simdgroup_multiply_accumulate(simdgroup_matrix<C, 8, 8> &d, simdgroup_matrix<A, 8, 8> a, simdgroup_matrix<B, 8, 8> b, simdgroup_matrix<C, 8, 8> c) {
	simd::Product<A, B, C> mine{&a.elements, &b.elements, &c.elements, {}};
	emulator::collective("simdgroup_multiply_accumulate", ~0u, &mine, simd::multiply<A, B, C>);
	d.elements = mine.d;
}
template <class A, class B, class C>
inline void simdgroup_multiply(simdgroup_matrix<C, 8, 8> &d, simdgroup_matrix<A, 8, 8> a, simdgroup_matrix<B, 8, 8> b) {
	simdgroup_multiply_accumulate(d, a, b, make_filled_simdgroup_matrix<C, 8, 8>(0));
}

} // namespace metal

typedef metal::simdgroup_matrix<float, 8, 8> simdgroup_float8x8;
typedef metal::simdgroup_matrix<half, 8, 8> simdgroup_half8x8;
