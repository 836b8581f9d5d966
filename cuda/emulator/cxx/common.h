// The CPU's version of what cuda/kernels/common.cuh says in PTX, which includes this.
#pragma once

template <class T> inline T shuffle(T v, int lane) { return __shfl_sync(allLanes, v, lane); }
template <class T> inline T shuffleXor(T v, int mask) { return __shfl_xor_sync(allLanes, v, mask); }
inline bool anyLane(bool v) { return __any_sync(allLanes, v); }
inline uint32 ballotLanes(bool v) { return __ballot_sync(allLanes, v); }

inline uint8 *sharedMemory() { return static_cast<uint8 *>(emulator::block().shared); }

inline float floatOf(uint32 bits) { return __uint_as_float(bits); }
inline uint32 bitsOf(float x) { return __float_as_uint(x); }

#ifdef __aarch64__
using Float16 = __fp16;
#else
using Float16 = _Float16;
#endif
inline half halfOf(float x) { return emulated::bits<half>(static_cast<Float16>(x)); }
inline float floatOfHalf(half h) { return emulated::bits<Float16>(h); }
inline half2 halvesOf(float low, float high) { return half2(halfOf(high)) << 16 | halfOf(low); }
// Sums and products of halves in float round to half as if they had been exact: float has more than twice the digits.
inline half2 addHalves(half2 a, half2 b) {
	return halvesOf(floatOfHalf(a) + floatOfHalf(b), floatOfHalf(a >> 16) + floatOfHalf(b >> 16));
}
inline half2 mulHalves(half2 a, half2 b) {
	return halvesOf(floatOfHalf(a) * floatOfHalf(b), floatOfHalf(a >> 16) * floatOfHalf(b >> 16));
}

inline uint32 permute(uint32 a, uint32 b, uint32 selector) { return __byte_perm(a, b, selector); }

inline float exp2Fast(float x) { return x < -126 ? 0 : exp2f(x); }
inline float reciprocalFast(float x) { return 1 / x; }
inline float log2Fast(float x) { return log2f(x); }

template <class T> inline T loadOnce(const T *p) { return *p; }
inline void prefetch(const void *) {}
inline void releaseNext() {}
inline void awaitBefore() { emulator::await_before(); }

inline uint32 sharedAddress(const void *p) { return uint32(static_cast<const uint8 *>(p) - sharedMemory()); }
inline void loadShared(Bytes16 &v, uint32 at, bool load) {
	if (load) v = *reinterpret_cast<const Bytes16 *>(sharedMemory() + at);
}
inline void storeShared(uint32 at, const Bytes16 &v) { *reinterpret_cast<Bytes16 *>(sharedMemory() + at) = v; }

inline void hold(float &) {}
inline void hold(uint32 &) {}

inline void barrierWait(int id, int threads) { emulator::barrier(id, threads, true); }
inline void barrierArrive(int id, int threads) { emulator::barrier(id, threads, false); }

inline int32 guess(const int32 *) { return 0; } // mostly wrong

// In warp.cc. Copies are made as late as may be: when their thread waits for them.
void copyAsync(void *shared, const void *global);
inline void copyAsync(uint32 shared, const void *global) { copyAsync(sharedMemory() + shared, global); }
void commitCopies();
void waitCopies(int groups);
template <int n> inline void waitCopies() { waitCopies(n); }

void mmaF16(float c[4], const uint32 a[4], uint32 b0, uint32 b1);
void mmaS8(int32 (&c)[4], const uint32 (&a)[4], uint32 b0, uint32 b1);
void mmaU8(int32 (&c)[4], const uint32 (&a)[4], uint32 b0, uint32 b1);
void mmaS8(int32 (&c)[4], uint32 a0, uint32 a1, uint32 b);
inline void mmaU8(int32 (&c)[4], const uint32 (&a)[4], uint32 b0, uint32 b1, int32 from) {
	for (int32 &v : c) v = from;
	mmaU8(c, a, b0, b1);
}
inline void mmaS8(int32 (&c)[4], const uint32 (&a)[4], uint32 b0, uint32 b1, int32 from) {
	for (int32 &v : c) v = from;
	mmaS8(c, a, b0, b1);
}
