// Random numbers of engine/sampling.go, and what the threads of a block do together to choose with them.
#pragma once
#include "common.cuh"

enum Stream : uint32 { streamChoice, streamAccept, streamResidual }; // of engine

struct Philox {
	uint32 lane[4];
};

// philox is Philox4x32-10 of the four tokens that share a counter with token.
__device__ inline Philox philox(uint64 seed, int position, int token, Stream stream) {
	uint32 k0 = uint32(seed), k1 = uint32(seed >> 32);
	uint32 c0 = position, c1 = uint32(token) / 4, c2 = stream, c3 = 0;
	for (int round = 0; round < 10; round++) {
		uint64 p0 = uint64(c0) * 0xD2511F53, p1 = uint64(c2) * 0xCD9E8D57;
		c0 = uint32(p1 >> 32) ^ c1 ^ k0, c1 = uint32(p1);
		c2 = uint32(p0 >> 32) ^ c3 ^ k1, c3 = uint32(p0);
		k0 += 0x9E3779B9, k1 += 0xBB67AE85;
	}
	return {{c0, c1, c2, c3}};
}

__device__ inline double uniform(uint32 lane) { return (double(lane) + 0.5) / 4294967296.0; }
__device__ __noinline__ double gumbel(uint32 lane) { return -log(-log(uniform(lane))); }

constexpr float ln2 = 0.693147180559945f;

// gumbelFast is gumbel within 1e-5.
__device__ inline float gumbelFast(uint32 lane) {
	float v = (float(~lane) + 0.5f) * 0x1p-32f; // 1 - u, of which -log(u) is a series where it is small
	float e = v < 0.1f ? v * (1 + v * (1 / 2.f + v * (1 / 3.f + v * (1 / 4.f + v * (1 / 5.f)))))
	                   : -ln2 * log2Fast((float(lane) + 0.5f) * 0x1p-32f);
	return -ln2 * log2Fast(e);
}

// ordered maps floats to integers of the same order, 0 and -0 to the same.
__device__ inline uint32 ordered(float x) {
	uint32 b = bitsOf(x + 0.0f);
	return b >> 31 ? ~b : b | 0x80000000;
}
__device__ inline float unordered(uint32 o) { return floatOf(o >> 31 ? o & 0x7fffffff : ~o); }
__device__ inline uint64 ordered(double x) {
	uint64 b = __double_as_longlong(x + 0.0);
	return b >> 63 ? ~b : b | 1ull << 63;
}

// reduce joins a value of every thread of the block; all get the result. The order does not matter: values are integers, of
// which 0 adds nothing.
template <class F> __device__ inline uint64 reduce(uint64 v, F join) {
	__shared__ uint64 values[32];
	for (int m = 16; m > 0; m /= 2) v = join(v, shuffleXor(v, m));
	__syncthreads();
	if (laneId() == 0) values[warpId()] = v;
	__syncthreads();
	v = laneId() < int(blockDim.x) / 32 ? values[laneId()] : 0;
	for (int m = 16; m > 0; m /= 2) v = join(v, shuffleXor(v, m));
	return v;
}
__device__ inline uint64 blockMost(uint64 v) { return reduce(v, [](uint64 a, uint64 b) { return larger(a, b); }); }
__device__ inline uint64 blockSum(uint64 v) { return reduce(v, [](uint64 a, uint64 b) { return a + b; }); }

// Bins: a histogram of whole numbers, of which the threads of a block have neighbouring bins.
struct Bins {
	uint64 sums[32];       // of warps
	uint64 before, weight; // of the bin found, and what is before it
	int32 bin;
};

// findBin finds the bin in which the sum of the bins so far, and of what was before them, reaches target, as one does.
template <int each> __device__ inline void findBin(Bins &shared, const uint64 (&w)[each], uint64 before, uint64 target) {
	uint64 sum = 0;
	for (int i = 0; i < each; i++) sum += w[i];
	uint64 upTo = sum;
	for (int d = 1; d < 32; d *= 2) {
		uint64 other = shuffle(upTo, larger(0, laneId() - d));
		if (laneId() >= d) upTo += other;
	}
	if (laneId() == 31) shared.sums[warpId()] = upTo;
	__syncthreads();
	for (int i = 0; i < warpId(); i++) before += shared.sums[i];
	before += upTo - sum;
	for (int i = 0; i < each; i++) {
		if (before < target && before + w[i] >= target) {
			shared.bin = threadIdx.x * each + i;
			shared.before = before, shared.weight = w[i];
		}
		before += w[i];
	}
	__syncthreads();
}

// gumbelMost draws: it returns the candidate whose logit plus noise is the largest, of equals the lowest, or otherwise.
// from.visit(f) calls f(token, value) for a thread's candidates; from.exact(value) is the logit and from.fast(value) near it,
// within 1e-4 where it may win. Logarithms in double are slow: only those are computed that fast ones bring near the largest.
template <class From> __device__ inline int32 gumbelMost(uint64 seed, int position, Stream stream, const From &from, int32 otherwise) {
	using Value = typename From::Value;
	int counter = -1;
	Philox noise;
	auto lane = [&](int token) {
		if (token / 4 != counter) {
			counter = token / 4;
			noise = philox(seed, position, token, stream);
		}
		int i = token % 4; // no array in memory
		return i == 0 ? noise.lane[0] : i == 1 ? noise.lane[1] : i == 2 ? noise.lane[2] : noise.lane[3];
	};
	float most = -infinity();
	from.visit([&](int token, Value value) { most = fmaxf(most, from.fast(value) + gumbelFast(lane(token))); });
	most = unordered(uint32(blockMost(ordered(most))));
	if (most == -infinity()) return otherwise;

	uint64 best = 0;
	int32 at = 0;
	counter = -1;
	from.visit([&](int token, Value value) {
		uint32 l = lane(token);
		if (from.fast(value) + gumbelFast(l) < most - 1e-3f) return;
		uint64 key = ordered(from.exact(value) + gumbel(l));
		if (key > best || key == best && token < at) best = key, at = token;
	});
	uint64 winner = blockMost(best);
	return ~int32(blockMost(best == winner ? uint32(~at) : 0));
}
