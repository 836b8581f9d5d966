// CUDA C++ on the emulator's core: the builtin names that the kernels use. A kernel that uses one that is not here does not
// compile: add it.
#pragma once
#include "../../../internal/emulator/cxx/core.h"

#include <cmath>
#include <cstring>
#include <type_traits>

#ifndef __global__ // defined where the table of kernels is made
#define __global__
#endif
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __grid_constant__
#ifndef __launch_bounds__
#define __launch_bounds__(...)
#endif
#define __grid_constant__
#define __align__(n) alignas(n)
#define __constant__ static const
#define __shared__ static thread_local // a worker runs one block at a time; the core fills thread storage with poison

struct alignas(4) uchar4 { uint8_t x, y, z, w; };
struct alignas(4) char4 { int8_t x, y, z, w; };
struct alignas(4) ushort2 { uint16_t x, y; };
struct alignas(8) ushort4 { uint16_t x, y, z, w; };
struct alignas(8) int2 { int x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }

#define threadIdx (emulator::self().index)
#define blockIdx (emulator::block().index)
#define blockDim (emulator::block().size)
#define gridDim (emulator::block().grid)
constexpr int warpSize = 32;

// ---- Arithmetic

namespace emulated {
template <class To, class From> inline To bits(From v) {
	static_assert(sizeof(To) == sizeof(From));
	To to;
	memcpy(&to, &v, sizeof to);
	return to;
}
} // namespace emulated
inline int __float_as_int(float v) { return emulated::bits<int>(v); }
inline unsigned __float_as_uint(float v) { return emulated::bits<unsigned>(v); }
inline float __int_as_float(int v) { return emulated::bits<float>(v); }
inline float __uint_as_float(unsigned v) { return emulated::bits<float>(v); }
inline long long __double_as_longlong(double v) { return emulated::bits<long long>(v); }
inline double __longlong_as_double(long long v) { return emulated::bits<double>(v); }

inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1 / a; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return sqrt(a); }
inline int __float2int_rn(float a) { return static_cast<int>(nearbyintf(a)); }
inline int __float2int_rz(float a) { return static_cast<int>(a); }
inline float __int2float_rn(int a) { return static_cast<float>(a); }
inline float __uint2float_rn(unsigned a) { return static_cast<float>(a); }
inline float __double2float_rn(double a) { return static_cast<float>(a); }
inline float rsqrtf(float a) { return 1 / sqrtf(a); }

template <class A, class B> inline std::common_type_t<A, B> min(A a, B b) { return b < a ? b : a; }
template <class A, class B> inline std::common_type_t<A, B> max(A a, B b) { return a < b ? b : a; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __clz(int v) { return v ? __builtin_clz(v) : 32; }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline unsigned __brev(unsigned v) {
	unsigned r = 0;
	for (int i = 0; i < 32; i++)
		r |= (v >> i & 1) << (31 - i);
	return r;
}
inline unsigned __umulhi(unsigned a, unsigned b) { return uint64_t(a) * b >> 32; }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
	return static_cast<unsigned __int128>(a) * b >> 64;
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned n) {
	return (uint64_t(high) << 32 | low) >> (n & 31);
}
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
	uint64_t both = uint64_t(b) << 32 | a;
	unsigned r = 0;
	for (int i = 0; i < 4; i++) {
		unsigned s = selector >> 4 * i & 15, byte = both >> 8 * (s & 7) & 255;
		r |= (s & 8 ? (byte & 128 ? 255u : 0u) : byte) << 8 * i;
	}
	return r;
}
inline int __dp4a(int a, int b, int c) {
	for (int i = 0; i < 4; i++)
		c += int8_t(a >> 8 * i) * int8_t(b >> 8 * i);
	return c;
}
// Four bytes at a time, wrapping.
inline unsigned __vadd4(unsigned a, unsigned b) { return ((a & 0x7F7F7F7F) + (b & 0x7F7F7F7F)) ^ ((a ^ b) & 0x80808080); }
inline unsigned __vsub4(unsigned a, unsigned b) { return ((a | 0x80808080) - (b & 0x7F7F7F7F)) ^ ((a ^ ~b) & 0x80808080); }

// ---- Memory

template <class T> inline T __ldg(const T *p) { return *p; }
template <class T> inline T __ldcg(const T *p) { return *p; }
template <class T> inline T __ldcs(const T *p) { return *p; }
template <class T> inline void __stcg(T *p, T v) { *p = v; }
template <class T> inline void __stcs(T *p, T v) { *p = v; }

inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

namespace emulated {
// An atomic operation tells others something, or looks at what they do: so let them.
template <class T, class F> UNCHECKED T update(T *p, F f) {
	emulator::access(p, sizeof *p, sizeof *p, emulator::updates);
	emulator::yield();
	T old = __atomic_load_n(p, __ATOMIC_SEQ_CST);
	while (!__atomic_compare_exchange_n(p, &old, f(old), false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
	}
	return old;
}
template <class T> using same = typename std::common_type<T>::type; // not deduced
} // namespace emulated

template <class T> inline T atomicAdd(T *p, emulated::same<T> v) {
	return emulated::update(p, [=](T old) { return old + v; });
}
template <class T> inline T atomicMin(T *p, emulated::same<T> v) {
	return emulated::update(p, [=](T old) { return v < old ? v : old; });
}
template <class T> inline T atomicMax(T *p, emulated::same<T> v) {
	return emulated::update(p, [=](T old) { return old < v ? v : old; });
}
template <class T> inline T atomicOr(T *p, emulated::same<T> v) {
	return emulated::update(p, [=](T old) { return old | v; });
}
template <class T> inline T atomicExch(T *p, emulated::same<T> v) {
	return emulated::update(p, [=](T) { return v; });
}
template <class T> inline T atomicCAS(T *p, emulated::same<T> expected, emulated::same<T> v) {
	return emulated::update(p, [=](T old) { return old == expected ? v : old; });
}
inline unsigned atomicInc(unsigned *p, unsigned limit) {
	return emulated::update(p, [=](unsigned old) { return old >= limit ? 0 : old + 1; });
}
// ---- Threads together

inline void __syncthreads() { emulator::barrier(0, emulator::block().threads, true); }
inline void __nanosleep(unsigned) { emulator::yield(); }
[[noreturn]] inline void __trap() { emulator::fail("traps"); }

inline void __syncwarp(uint32_t mask = ~0u) {
	emulator::collective("__syncwarp", mask, nullptr, [](void *const *, uint32_t) {});
}

namespace emulated {

inline int lane() { return emulator::self().lane; }

// A value from each lane, and a result for each.
template <class T> struct Exchange {
	T value;
	unsigned from; // lane, of shuffles
	T result;
};

template <class T> inline T shuffle(const char *what, uint32_t mask, T v, unsigned from) {
	Exchange<T> mine{v, from, v};
	emulator::collective(what, mask, &mine, [](void *const *operands, uint32_t mask) {
		auto lanes = reinterpret_cast<Exchange<T> *const *>(operands);
		for (unsigned i = 0; i < 32; i++)
			if (mask >> i & 1) {
				if (!(mask >> lanes[i]->from & 1))
					emulator::fail("shuffle: lane %u asks lane %u, which the mask %08x leaves out", i, lanes[i]->from, mask);
				lanes[i]->result = lanes[lanes[i]->from]->value;
			}
	});
	return mine.result;
}

template <class T, T join(T, T)> inline T reduce(const char *what, uint32_t mask, T v) {
	Exchange<T> mine{v, 0, v};
	emulator::collective(what, mask, &mine, [](void *const *operands, uint32_t mask) {
		auto lanes = reinterpret_cast<Exchange<T> *const *>(operands);
		T all = lanes[__builtin_ctz(mask)]->value;
		for (uint32_t rest = mask & (mask - 1); rest; rest &= rest - 1)
			all = join(all, lanes[__builtin_ctz(rest)]->value);
		for (uint32_t rest = mask; rest; rest &= rest - 1)
			lanes[__builtin_ctz(rest)]->result = all;
	});
	return mine.result;
}
template <class T> inline T add(T a, T b) { return a + b; }
template <class T> inline T least(T a, T b) { return b < a ? b : a; }
template <class T> inline T most(T a, T b) { return a < b ? b : a; }
template <class T> inline T both(T a, T b) { return a & b; }
template <class T> inline T either(T a, T b) { return a | b; }

} // namespace emulated

// Lanes are numbered inside groups of width; one that asks outside of its group gets its own value.
template <class T> inline T __shfl_sync(uint32_t mask, T v, int lane, int width = 32) {
	return emulated::shuffle("__shfl_sync", mask, v, (emulated::lane() & -width) | (lane & (width - 1)));
}
template <class T> inline T __shfl_xor_sync(uint32_t mask, T v, int with, int width = 32) {
	int lane = emulated::lane() ^ with;
	return emulated::shuffle("__shfl_xor_sync", mask, v, lane < (emulated::lane() & -width) + width ? lane : emulated::lane());
}
template <class T> inline T __shfl_up_sync(uint32_t mask, T v, unsigned by, int width = 32) {
	int lane = emulated::lane() - int(by);
	return emulated::shuffle("__shfl_up_sync", mask, v, lane >= (emulated::lane() & -width) ? lane : emulated::lane());
}
template <class T> inline T __shfl_down_sync(uint32_t mask, T v, unsigned by, int width = 32) {
	int lane = emulated::lane() + int(by);
	return emulated::shuffle("__shfl_down_sync", mask, v, lane < (emulated::lane() & -width) + width ? lane : emulated::lane());
}

#define REDUCE(name, type, join) \
	inline type name(uint32_t mask, type v) { return emulated::reduce<type, emulated::join>(#name, mask, v); }
REDUCE(__reduce_add_sync, unsigned, add)
REDUCE(__reduce_add_sync, int, add)
REDUCE(__reduce_min_sync, unsigned, least)
REDUCE(__reduce_min_sync, int, least)
REDUCE(__reduce_max_sync, unsigned, most)
REDUCE(__reduce_max_sync, int, most)
REDUCE(__reduce_or_sync, unsigned, either)
#undef REDUCE
inline unsigned __ballot_sync(uint32_t mask, int v) {
	return emulated::reduce<unsigned, emulated::either>("__ballot_sync", mask, v ? 1u << emulated::lane() : 0u);
}
inline int __any_sync(uint32_t mask, int v) { return emulated::reduce<int, emulated::either>("__any_sync", mask, v != 0); }
inline int __all_sync(uint32_t mask, int v) { return emulated::reduce<int, emulated::both>("__all_sync", mask, v != 0); }
