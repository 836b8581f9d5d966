// The Metal Shading Language's names in C++ for OpenCL, whose address spaces are Metal's: for check.go, which has clang look for
// errors. Nothing has a body. Functions are overloaded as Metal's are, so that calls that Metal finds ambiguous are so here too.
#pragma once
#pragma clang system_header
#pragma OPENCL EXTENSION cl_khr_fp16 : enable

#define device __global
#define constant __constant
#define threadgroup __local
#define thread __private
#define kernel __kernel
#define THREADGROUP_VARIABLE __local
// Names that are free in Metal.
#define local local_
#define global global_
#define private private_
#define generic generic_
#define atomic_int metal_atomic_int
#define atomic_uint metal_atomic_uint

#include "vectors.h"

#define WIDTHS(F, T) F(T) F(T##2) F(T##3) F(T##4)
#define FLOATS(F) WIDTHS(F, float) WIDTHS(F, half)
#define INTS(F) \
	WIDTHS(F, char) WIDTHS(F, uchar) WIDTHS(F, short) WIDTHS(F, ushort) WIDTHS(F, int) WIDTHS(F, uint)
#define LONGS(F) WIDTHS(F, long) WIDTHS(F, ulong)

namespace metal {

template <class V> struct shape {
	enum { width = 1 };
};
template <class T, int n> struct shape<T __attribute__((ext_vector_type(n)))> {
	enum { width = n };
};

// make stands for a vector's constructor (load.go): of one scalar, or of parts that are together as wide.
template <class V, class... A> V make(A...) {
	constexpr int given = (shape<A>::width + ...);
	static_assert(given == shape<V>::width || given == 1, "parts are not as wide as the vector");
	return V(0);
}

template <class To, class From> To as_type(From) {
	static_assert(sizeof(To) == sizeof(From), "as_type of another size");
	return To(0);
}

#define FUNCTIONS(V) V exp(V); V exp2(V); V log(V); V log2(V); V sin(V); V cos(V); V tanh(V); V sqrt(V); V rsqrt(V);
FLOATS(FUNCTIONS)
namespace precise {
FLOATS(FUNCTIONS)
}
#undef FUNCTIONS
#define FUNCTIONS(V) \
	V fabs(V); V floor(V); V ceil(V); V trunc(V); V rint(V); V round(V); V copysign(V, V); V fmin(V, V); V fmax(V, V); V fma(V, V, V);
FLOATS(FUNCTIONS)
#undef FUNCTIONS
#define FUNCTIONS(V) V min(V, V); V max(V, V); V clamp(V, V, V); V abs(V);
FLOATS(FUNCTIONS)
INTS(FUNCTIONS)
LONGS(FUNCTIONS)
#undef FUNCTIONS
#define FUNCTIONS(V) V popcount(V); V clz(V); V ctz(V); V mulhi(V, V); V rotate(V, V); V extract_bits(V, uint, uint);
INTS(FUNCTIONS)
LONGS(FUNCTIONS)
#undef FUNCTIONS
#define FUNCTIONS(T) T dot(T##2, T##2); T dot(T##3, T##3); T dot(T##4, T##4);
FUNCTIONS(float)
FUNCTIONS(half)
#undef FUNCTIONS
template <class V, class C> V select(V, V, C);
template <class V> bool any(V);
template <class V> bool all(V);
template <class V> bool isnan(V);
template <class V> bool isinf(V);

enum class mem_flags { mem_none = 0, mem_device = 1, mem_threadgroup = 2 };
mem_flags operator|(mem_flags, mem_flags);
void threadgroup_barrier(mem_flags);
void simdgroup_barrier(mem_flags);

// SIMD-group functions are not there for integers of 64 bits.
#define FUNCTIONS(V) \
	V simd_sum(V); V simd_min(V); V simd_max(V); V simd_prefix_inclusive_sum(V); V simd_prefix_exclusive_sum(V); \
	V simd_shuffle(V, ushort); V simd_broadcast(V, ushort); V simd_broadcast_first(V); V simd_shuffle_xor(V, ushort); \
	V simd_shuffle_up(V, ushort); V simd_shuffle_down(V, ushort);
FLOATS(FUNCTIONS)
INTS(FUNCTIONS)
#undef FUNCTIONS
#define FUNCTIONS(V) V simd_and(V); V simd_or(V);
INTS(FUNCTIONS)
#undef FUNCTIONS
bool simd_any(bool);
bool simd_all(bool);
struct simd_vote {
	explicit operator ulong() const;
};
simd_vote simd_ballot(bool);

template <class T, int columns, int rows = columns> struct simdgroup_matrix {
	typedef T storage_type __attribute__((ext_vector_type(columns * rows)));
	simdgroup_matrix() = default;
	explicit simdgroup_matrix(T);
	thread storage_type &thread_elements();
	storage_type elements;
};
template <class T, int columns, int rows = columns> simdgroup_matrix<T, columns, rows> make_filled_simdgroup_matrix(T);
#define MEMORY(space) \
	template <class T> \
	void simdgroup_load(thread simdgroup_matrix<T, 8> &, const space T *, ulong elements_per_row = 8, ulong2 origin = 0, bool transpose = false); \
	template <class T> \
	void simdgroup_store(thread simdgroup_matrix<T, 8>, space T *, ulong elements_per_row = 8, ulong2 origin = 0, bool transpose = false);
MEMORY(device)
MEMORY(threadgroup)
#undef MEMORY
template <class A, class B, class C>
void simdgroup_multiply_accumulate(thread simdgroup_matrix<C, 8> &, simdgroup_matrix<A, 8>, simdgroup_matrix<B, 8>, simdgroup_matrix<C, 8>);
template <class A, class B, class C> void simdgroup_multiply(thread simdgroup_matrix<C, 8> &, simdgroup_matrix<A, 8>, simdgroup_matrix<B, 8>);

enum memory_order { memory_order_relaxed };
template <class T> struct atomic {
	T value;
};
template struct atomic<int>;
template struct atomic<uint>;
#define MEMORY(space) \
	template <class T> T atomic_load_explicit(const space atomic<T> *, memory_order); \
	template <class T> void atomic_store_explicit(space atomic<T> *, T, memory_order); \
	template <class T> T atomic_exchange_explicit(space atomic<T> *, T, memory_order); \
	template <class T> T atomic_fetch_add_explicit(space atomic<T> *, T, memory_order); \
	template <class T> T atomic_fetch_or_explicit(space atomic<T> *, T, memory_order); \
	template <class T> T atomic_fetch_min_explicit(space atomic<T> *, T, memory_order); \
	template <class T> T atomic_fetch_max_explicit(space atomic<T> *, T, memory_order);
MEMORY(device)
MEMORY(threadgroup)
#undef MEMORY

} // namespace metal

using metal::as_type;
typedef metal::simdgroup_matrix<float, 8> simdgroup_float8x8;
typedef metal::simdgroup_matrix<half, 8> simdgroup_half8x8;
typedef metal::atomic<int> metal_atomic_int;
typedef metal::atomic<uint> metal_atomic_uint;

#define INFINITY __builtin_inff()
#define NAN __builtin_nanf("")
#define FLT_MAX __FLT_MAX__
#define M_PI_F 3.14159265358979323846f
#define M_LOG2E_F 1.44269504088896340736f
