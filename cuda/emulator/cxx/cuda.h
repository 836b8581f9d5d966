// CUDA C++ on the emulator's core: the builtin names that the kernels use. A kernel that uses one that is not here does not
// compile: add it.
#pragma once
#include "../../../internal/emulator/cxx/core.h"

#include <cmath>
#include <cstring>

#ifndef __global__ // defined where the table of kernels is made
#define __global__
#endif
#ifndef __launch_bounds__
#define __launch_bounds__(...)
#endif
#define __device__
#define __host__
#define __noinline__ __attribute__((noinline))
#define __grid_constant__
#define __shared__ static thread_local // a worker runs one block at a time; the core fills thread storage with poison

#define threadIdx (emulator::self().index)
#define blockIdx (emulator::block().index)
#define blockDim (emulator::block().size)
#define gridDim (emulator::block().grid)

namespace emulated {
template <class To, class From> inline To bits(From v) {
	static_assert(sizeof(To) == sizeof(From));
	To to;
	memcpy(&to, &v, sizeof to);
	return to;
}
} // namespace emulated

inline unsigned __float_as_uint(float v) { return emulated::bits<unsigned>(v); }
inline float __uint_as_float(unsigned v) { return emulated::bits<float>(v); }
inline long long __double_as_longlong(double v) { return emulated::bits<long long>(v); }
inline double __longlong_as_double(long long v) { return emulated::bits<double>(v); }
inline float rsqrtf(float a) { return 1 / sqrtf(a); }
inline int __popc(unsigned v) { return __builtin_popcount(v); }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
	uint64_t both = uint64_t(b) << 32 | a;
	unsigned r = 0;
	for (int i = 0; i < 4; i++) {
		unsigned s = selector >> 4 * i & 15, byte = both >> 8 * (s & 7) & 255;
		r |= (s & 8 ? (byte & 128 ? 255u : 0u) : byte) << 8 * i;
	}
	return r;
}

// An atomic operation tells others something, or looks at what they do: so let them.
template <class T> UNCHECKED T atomicAdd(T *p, decltype(*p + 0) v) {
	emulator::access(p, sizeof *p, sizeof *p, emulator::updates);
	emulator::yield();
	return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);
}

inline void __syncthreads() { emulator::barrier(0, emulator::block().threads, true); }
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

// either is the bits of all lanes, joined by or.
inline uint32_t either(const char *what, uint32_t mask, uint32_t v) {
	Exchange<uint32_t> mine{v, 0, v};
	emulator::collective(what, mask, &mine, [](void *const *operands, uint32_t mask) {
		auto lanes = reinterpret_cast<Exchange<uint32_t> *const *>(operands);
		uint32_t all = 0;
		for (uint32_t rest = mask; rest; rest &= rest - 1)
			all |= lanes[__builtin_ctz(rest)]->value;
		for (uint32_t rest = mask; rest; rest &= rest - 1)
			lanes[__builtin_ctz(rest)]->result = all;
	});
	return mine.result;
}

} // namespace emulated

template <class T> inline T __shfl_sync(uint32_t mask, T v, int lane) {
	return emulated::shuffle("__shfl_sync", mask, v, lane & 31);
}
template <class T> inline T __shfl_xor_sync(uint32_t mask, T v, int with) {
	return emulated::shuffle("__shfl_xor_sync", mask, v, emulated::lane() ^ with);
}
inline unsigned __ballot_sync(uint32_t mask, int v) {
	return emulated::either("__ballot_sync", mask, v ? 1u << emulated::lane() : 0u);
}
inline int __any_sync(uint32_t mask, int v) { return emulated::either("__any_sync", mask, v != 0); }
