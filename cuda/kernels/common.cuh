// What all kernels share: types, and one small function for everything that plain C++ cannot say. The kernels use these
// and CUDA's threadIdx, blockIdx, blockDim, gridDim, __shared__, __syncthreads, __syncwarp, the float and double functions of
// C's math library, and atomicAdd on integers; an emulator that offers the same runs them.
#pragma once

#ifdef EMULATOR
#include "../emulator/cxx/cuda.h"
#endif

typedef signed char int8;
typedef unsigned char uint8;
typedef short int16;
typedef unsigned short uint16;
typedef int int32;
typedef unsigned int uint32;
typedef long long int64;
typedef unsigned long long uint64;

typedef uint16 half;  // the bits of an IEEE binary16 value
typedef uint32 half2; // two of them, the first in the low half

struct alignas(16) Bytes16 {
	uint32 w[4];
};
struct alignas(8) Bytes8 {
	uint32 w[2];
};

constexpr uint32 allLanes = 0xffffffff;
constexpr float maxFloat = 3.40282346638528859811704183484516925e+38f;
constexpr float maxHalf = 65504;

template <class T> __device__ inline T smaller(T a, T b) { return b < a ? b : a; }
template <class T> __device__ inline T larger(T a, T b) { return a < b ? b : a; }
__host__ __device__ constexpr int ceilDiv(int a, int b) { return (a + b - 1) / b; }

__device__ inline int laneId() { return threadIdx.x % 32; }
__device__ inline int warpId() { return threadIdx.x / 32; }

#ifdef EMULATOR
#include "../emulator/cxx/common.h"
#else

// Shuffles among all lanes of a warp.
template <class T> __device__ inline T shuffle(T v, int lane) { return __shfl_sync(allLanes, v, lane); }
template <class T> __device__ inline T shuffleXor(T v, int mask) { return __shfl_xor_sync(allLanes, v, mask); }
__device__ inline bool anyLane(bool v) { return __any_sync(allLanes, v); }
__device__ inline uint32 ballotLanes(bool v) { return __ballot_sync(allLanes, v); }

// sharedMemory is the block's dynamic shared memory.
__device__ inline uint8 *sharedMemory() {
	extern __shared__ Bytes16 dynamicShared[];
	return reinterpret_cast<uint8 *>(dynamicShared);
}

// The float32 value of x's bits, and back.
__device__ inline float floatOf(uint32 bits) { return __uint_as_float(bits); }
__device__ inline uint32 bitsOf(float x) { return __float_as_uint(x); }

// Conversions round to nearest, ties to even.
__device__ inline half halfOf(float x) {
	half h;
	asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
	return h;
}
__device__ inline half2 halvesOf(float low, float high) {
	half2 h;
	asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(h) : "f"(high), "f"(low));
	return h;
}
__device__ inline float floatOfHalf(half h) {
	float x;
	asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
	return x;
}
__device__ inline half2 addHalves(half2 a, half2 b) {
	half2 c;
	asm("add.rn.f16x2 %0, %1, %2;" : "=r"(c) : "r"(a), "r"(b));
	return c;
}
__device__ inline half2 mulHalves(half2 a, half2 b) {
	half2 c;
	asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(c) : "r"(a), "r"(b));
	return c;
}

// permute picks four bytes of b:a by the hexadecimal digits of selector, the lowest first.
__device__ inline uint32 permute(uint32 a, uint32 b, uint32 selector) { return __byte_perm(a, b, selector); }

// exp2Fast is 2^x within 2 units in the last place, 0 below 2^-126.
__device__ inline float exp2Fast(float x) {
	float y;
	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
}
// log2Fast is the logarithm to base 2 within 2^-22, relatively where x is far from 1.
__device__ inline float log2Fast(float x) {
	float y;
	asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
}

// reciprocalFast is 1/x within 1 unit in the last place, 0 from 2^126 on. A division takes a branch and ten times as long.
__device__ inline float reciprocalFast(float x) {
	float y;
	asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
}

// mmaF16 adds the product of a, 16 x 16, and b, 16 x 8, to c, 16 x 8, in fragments as PTX's mma.m16n8k16 has them.
__device__ inline void mmaF16(float c[4], const uint32 a[4], uint32 b0, uint32 b1) {
	asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
	             : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
	             : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Products of 8-bit integers, a signed (S8) or unsigned (U8) and b signed, added to c exactly, in fragments as PTX's
// mma.m16n8k32 and, with fewer operands, mma.m16n8k16 have them. With g = lane / 4 and t = lane % 4, a word is four values
// along k: a row g, g+8, g, g+8 at k 4t, 4t, 16+4t, 16+4t; b column g at k 4t, 16+4t; c row g, g, g+8, g+8, column 2t, 2t+1,
// 2t, 2t+1.
__device__ inline void mmaS8(int32 (&c)[4], const uint32 (&a)[4], uint32 b0, uint32 b1) {
	asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
	    : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
// These set c to the product and `from`.
__device__ inline void mmaS8(int32 (&c)[4], const uint32 (&a)[4], uint32 b0, uint32 b1, int32 from) {
	asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %10, %10, %10};"
	    : "=r"(c[0]), "=r"(c[1]), "=r"(c[2]), "=r"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "r"(from));
}
__device__ inline void mmaU8(int32 (&c)[4], const uint32 (&a)[4], uint32 b0, uint32 b1) {
	asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
	    : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ inline void mmaU8(int32 (&c)[4], const uint32 (&a)[4], uint32 b0, uint32 b1, int32 from) {
	asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %10, %10, %10};"
	    : "=r"(c[0]), "=r"(c[1]), "=r"(c[2]), "=r"(c[3])
	    : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1), "r"(from));
}
__device__ inline void mmaS8(int32 (&c)[4], uint32 a0, uint32 a1, uint32 b) {
	asm("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
	    : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
	    : "r"(a0), "r"(a1), "r"(b));
}

// Shared memory by its 32-bit address. loadShared leaves v alone where there is nothing to load.
__device__ inline uint32 sharedAddress(const void *p) { return static_cast<uint32>(__cvta_generic_to_shared(p)); }
__device__ inline void loadShared(Bytes16 &v, uint32 at, bool load) {
	asm volatile("{ .reg .pred p; setp.ne.u32 p, %5, 0; @p ld.shared.v4.u32 {%0, %1, %2, %3}, [%4]; }"
	             : "+r"(v.w[0]), "+r"(v.w[1]), "+r"(v.w[2]), "+r"(v.w[3])
	             : "r"(at), "r"(uint32(load))
	             : "memory");
}
__device__ inline void storeShared(uint32 at, const Bytes16 &v) {
	asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(at), "r"(v.w[0]), "r"(v.w[1]), "r"(v.w[2]), "r"(v.w[3]) : "memory");
}

// hold has a value computed here, and not later.
__device__ inline void hold(float &v) { asm volatile("" : "+f"(v)); }
__device__ inline void hold(uint32 &v) { asm volatile("" : "+r"(v)); }

// Loads that leave the L1 cache to others, for what a multiprocessor reads once.
__device__ inline Bytes16 loadOnce(const Bytes16 *p) {
	Bytes16 v;
	asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
	             : "=r"(v.w[0]), "=r"(v.w[1]), "=r"(v.w[2]), "=r"(v.w[3])
	             : "l"(p));
	return v;
}
__device__ inline Bytes8 loadOnce(const Bytes8 *p) {
	Bytes8 v;
	asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];" : "=r"(v.w[0]), "=r"(v.w[1]) : "l"(p));
	return v;
}
__device__ inline uint32 loadOnce(const uint32 *p) {
	uint32 v;
	asm volatile("ld.global.nc.L1::no_allocate.u32 %0, [%1];" : "=r"(v) : "l"(p));
	return v;
}

// Barriers for a part of a block, `threads` of whole warps: 16 with the one of __syncthreads, which is number 0. The
// threads that arrive do not wait for those that wait; what they wrote before is seen by those.
__device__ inline void barrierWait(int id, int threads) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory"); }
__device__ inline void barrierArrive(int id, int threads) { asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory"); }

// copyAsync starts copying 16 bytes of global to shared memory. A thread's copies since its last commitCopies are one
// group; waitCopies waits until no more than n of its groups are under way.
__device__ inline void copyAsync(uint32 shared, const void *global) {
	asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared), "l"(global) : "memory");
}
__device__ inline void copyAsync(void *shared, const void *global) { copyAsync(sharedAddress(shared), global); }
__device__ inline void commitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int n> __device__ inline void waitCopies() { asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory"); }

// Programmatic dependent launch (compute capability 9.0): a kernel may begin before the one before it has ended. Every
// kernel calls releaseNext, so that the next one may take what room there is, and awaitBefore before it touches anything that
// another kernel reads or writes: what it does before that is to fetch weights.
__device__ inline void releaseNext() {
#if __CUDA_ARCH__ >= 900
	asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
__device__ inline void awaitBefore() {
#if __CUDA_ARCH__ >= 900
	asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// guess reads before awaitBefore what a kernel before may be about to change: it is to be compared after awaitBefore.
__device__ inline int32 guess(const int32 *p) {
	int32 v;
	asm volatile("ld.volatile.global.s32 %0, [%1];" : "=r"(v) : "l"(p));
	return v;
}

// prefetch brings the 32 bytes at p to the L2 cache.
__device__ inline void prefetch(const void *p) { asm volatile("prefetch.global.L2 [%0];" ::"l"(p)); }

#endif

__device__ inline float infinity() { return floatOf(0x7f800000); }

// Span is a piece of memory that the next kernel will read. Threads with nothing else to do prefetch it: part of parts.
struct Span {
	const uint8 *at;
	int64 bytes;
};

__device__ inline void prefetchSpan(Span s, int part, int parts) {
	const int64 step = 32ll * blockDim.x * parts;
	for (int64 i = 32ll * (blockDim.x * part + threadIdx.x); i < s.bytes; i += step) prefetch(s.at + i);
}
