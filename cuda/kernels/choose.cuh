// The choice of a token for a row of logits, as engine/cpu/choose.go makes it. A block has a row, which it reads several
// times from the L2 cache.
//
// Candidates are ordered by their distance from the likeliest, a difference of integers in the order of the logits, and
// then by id. A filter keeps a first part of that order, so it is a bound, found by counting or weighing candidates by
// ranges of distances. Weights are added up as integers, so no order of threads matters.
#pragma once
#include "control.cuh"
#include "noise.cuh"

constexpr int bins = 2048;
constexpr int maxListed = 2048;

struct Choosing {
	uint32 low[bins], high[bins]; // weights
	float logit[maxListed];       // candidates
	int32 id[maxListed];
	uint64 sums[chooseThreads / 32];
	uint64 before, weight; // of the bin found
	int32 bin, listed;
	uint32 farthest;
};

// number is a logit with NaN and infinities replaced by the nearest finite value.
__device__ inline float number(float l) { return l > -maxFloat ? fminf(l, maxFloat) : -maxFloat; }

// visitRow calls f(id, value) for every value of a row, a thread for four neighbours at a time.
template <class F> __device__ inline void visitRow(const float *row, int n, F f) {
	constexpr int batch = 4; // loads under way
	int done = 0;
	if (n % 4 == 0) { // then rows are aligned
		const Bytes16 *v = reinterpret_cast<const Bytes16 *>(row);
		done = n / (4 * batch * chooseThreads) * (4 * batch * chooseThreads);
		for (int i = threadIdx.x; i < done / 4; i += batch * chooseThreads) {
			Bytes16 x[batch];
			for (int b = 0; b < batch; b++) x[b] = v[i + b * chooseThreads];
			for (int b = 0; b < batch; b++)
				for (int e = 0; e < 4; e++) f(4 * (i + b * chooseThreads) + e, floatOf(x[b].w[e]));
		}
	}
	for (int i = done + 4 * threadIdx.x; i < n; i += 4 * chooseThreads)
		for (int e = 0; e < 4 && i + e < n; e++) f(i + e, row[i + e]);
}

// Candidates are those of a row that the filters have left: up to a distance, and of those at it up to an id.
struct Candidates {
	using Value = float;
	Choosing &shared;
	const float *row;
	int vocab;
	float peak;
	double temperature;
	uint32 distance = 0xffffffff;
	int32 id = 0x7fffffff;
	int listed = -1; // how many are listed in shared memory, no others being candidates; -1: they are not

	__device__ uint32 distanceOf(float logit) const { return ordered(peak) - ordered(logit); }
	__device__ bool has(int id, float logit) const {
		uint32 d = distanceOf(logit);
		return d < distance || d == distance && id <= this->id;
	}

	// exact is the logit that is drawn with.
	__device__ double exact(float logit) const { return (double(logit) - double(peak)) / temperature; }
	__device__ float fast(float logit) const { return logit == peak ? 0 : (logit - peak) / float(temperature); }

	// share is exp(exact), within 2e-7 if there are many candidates: double's exp would take long.
	__device__ double share(float logit) const {
		double x = exact(logit);
		if (listed >= 0) return slowExp(x);
		double y = x * 1.4426950408889634, n = floor(y);
		if (!(n > -1000)) return 0;
		return double(exp2f(float(y - n))) * __longlong_as_double(int64(1023 + int(n)) << 52);
	}
	__device__ static __noinline__ double slowExp(double x) { return exp(x); }

	// weight is share in units of 2^-43: the sum of a row is below 2^63.
	static constexpr double unitWeight = 1ull << 43;
	__device__ uint64 weight(float logit) const { return uint64(share(logit) * unitWeight + 0.5); }

	// visit calls f(id, logit) for the candidates, every one by one thread.
	template <class F> __device__ void visit(F f) const {
		auto one = [&](int id, float logit) {
			if (has(id, logit)) f(id, logit);
		};
		if (listed >= 0) {
			for (int i = threadIdx.x; i < listed; i += chooseThreads) one(shared.id[i], shared.logit[i]);
		} else {
			visitRow(row, vocab, [&](int id, float logit) { one(id, number(logit)); });
		}
	}

	__device__ __noinline__ uint64 totalWeight() const {
		uint64 sum = 0;
		visit([&](int, float logit) { sum += weight(logit); });
		return blockSum(sum);
	}

	// list lists the candidates up to a distance, if there is room.
	__device__ __noinline__ void list(uint32 most) {
		__syncthreads();
		if (threadIdx.x == 0) shared.listed = 0;
		__syncthreads();
		visit([&](int id, float logit) {
			if (distanceOf(logit) > most) return;
			int at = atomicAdd(&shared.listed, 1);
			if (at < maxListed) shared.id[at] = id, shared.logit[at] = logit;
		});
		__syncthreads();
		if (shared.listed <= maxListed) listed = shared.listed;
	}

	// Bin is a range of distances or ids from one on, of what weighs so much, before which so much is.
	struct Bin {
		uint32 from;
		uint64 before, weight;
	};

	// count adds weights of candidates to bins of 2^shift distances from `from` on and finds the bin in which the sum reaches
	// target, before being what is below from. What is beyond the bins counts in the last one if open, or not. With ties it
	// takes the ids of those at the largest distance instead.
	template <bool unit>
	__device__ __noinline__ Bin count(uint32 from, int shift, bool open, uint64 before, uint64 target, bool ties = false) const {
		__syncthreads();
		for (int i = threadIdx.x; i < bins; i += chooseThreads) shared.low[i] = shared.high[i] = 0;
		__syncthreads();
		auto add = [&](int bin, uint64 w) {
			uint32 low = uint32(w), sum = atomicAdd(&shared.low[bin], low) + low;
			uint32 high = uint32(w >> 32) + (sum < low);
			if (high) atomicAdd(&shared.high[bin], high);
		};
		uint64 beyond = 0;
		visit([&](int id, float logit) {
			uint32 o = distanceOf(logit);
			if (ties) {
				if (o != distance) return;
				o = id;
			}
			if (o < from) return;
			uint32 bin = (o - from) >> shift;
			if (bin >= bins) beyond += unit ? 1 : weight(logit);
			else if (unit) atomicAdd(&shared.low[bin], 1);
			else add(bin, weight(logit));
		});
		if (open && beyond) add(bins - 1, beyond);
		__syncthreads();
		// A thread has neighbouring bins; what is before them comes from a scan of its warp and of the warps.
		constexpr int each = bins / chooseThreads;
		uint64 w[each], sum = 0;
		for (int i = 0; i < each; i++) {
			int bin = threadIdx.x * each + i;
			w[i] = uint64(shared.high[bin]) << 32 | shared.low[bin];
			sum += w[i];
		}
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
		return {from + (uint32(shared.bin) << shift), shared.before, shared.weight};
	}

	// The first bins are narrow enough to tell a row's likeliest from each other; few rows have many candidates beyond.
	static constexpr int firstShift = 15;

	// cut keeps the fewest first candidates whose weights add up to target, which all of them reach. A unit weight is 1.
	template <bool unit> __device__ __noinline__ void cut(uint64 target) {
		Bin b = count<unit>(0, firstShift, true, 0, target);
		int shift = firstShift;
		if (b.from == uint32(bins - 1) << firstShift) shift = 32;
		else if (unit && listed < 0 && b.before + b.weight <= maxListed) list(b.from + (1u << firstShift) - 1);
		while (shift > 0) {
			shift = larger(0, shift - 11);
			b = count<unit>(b.from, shift, false, b.before, target);
		}
		// Of those at that distance the lowest ids.
		uint64 one = unit ? 1 : weight(unordered(ordered(peak) - b.from)), need = (target - b.before + one - 1) / one;
		bool all = need * one >= b.weight;
		if (b.from != distance) id = 0x7fffffff;
		distance = b.from;
		if (all) return;
		b = {};
		for (shift = 20; shift > 0;) { // a vocabulary has at most 2^20 tokens
			shift = larger(0, shift - 11);
			b = count<true>(b.from, shift, false, b.before, need, true);
		}
		id = b.from;
	}

	// top keeps the fewest first candidates that have at least a share p of the weight.
	__device__ void top(double p) {
		uint64 total = totalWeight(), target = smaller(total, larger(uint64(1), uint64(ceil(p * double(total)))));
		if (listed < 0) {
			// Mostly a part of those that can be listed is enough.
			Bin b = count<true>(0, firstShift, true, 0, maxListed);
			if (b.before > 0) {
				list(b.from - 1);
				if (totalWeight() < target) listed = -1;
			}
		}
		cut<false>(target);
		if (listed < 0) list(distance);
	}

	// atLeast keeps those of at least a weight, the likeliest having 1. The lanes of a warp try 32 distances at a time.
	__device__ void atLeast(double weight) {
		if (warpId() == 0) {
			uint32 farthest = 0;
			for (int shift = 30; shift >= 0; shift -= 5) {
				uint64 d = farthest + (uint64(laneId()) << shift);
				bool is = d <= ordered(peak) - ordered(-maxFloat) && exp(exact(unordered(ordered(peak) - uint32(d)))) >= weight;
				farthest += uint32(larger(0, __popc(ballotLanes(is)) - 1)) << shift;
			}
			if (laneId() == 0) shared.farthest = farthest;
		}
		__syncthreads();
		if (shared.farthest < distance) distance = shared.farthest, id = 0x7fffffff;
		if (listed < 0) list(distance);
	}
};

struct ChooseArgs {
	const Control *control;
	float *logits; // [rows][vocab]
	int32 *choices;
	float *chances;
	int32 vocab, first; // the row of the pass that has the first logits
	int32 draft, keep;  // see engine.Ops
};

extern "C" __global__ void __launch_bounds__(chooseThreads) choose(ChooseArgs a) {
	releaseNext();
	awaitBefore();
	__shared__ Choosing shared;
	const Control &control = *a.control;
	float *row = a.logits + int64(blockIdx.x) * a.vocab;
	int index = a.first + blockIdx.x;

	// Every thread meets its tokens in ascending order, so the first of equals stays. A NaN is never larger.
	float peak = -infinity();
	int32 at = 0;
	visitRow(row, a.vocab, [&](int id, float logit) {
		if (logit > peak) peak = logit, at = id;
	});
	uint64 best = blockMost(uint64(ordered(peak)) << 32 | uint32(~at));
	peak = number(unordered(uint32(best >> 32)));
	constexpr double one = Candidates::unitWeight;
	if (control.temperature <= 0) {
		if (threadIdx.x == 0) a.choices[index] = ~int32(best);
		if (a.draft) {
			uint64 sum = 0;
			visitRow(row, a.vocab, [&](int, float logit) { sum += uint64(expf(number(logit) - peak) * float(one)); });
			sum = blockSum(sum);
			if (threadIdx.x == 0) a.chances[index] = float(one / double(sum));
		}
		return;
	}

	Candidates c{shared, row, a.vocab, peak, control.temperature};
	if (a.vocab <= maxListed) c.list(0xffffffff);
	if (control.topK > 0 && control.topK < a.vocab) {
		c.cut<true>(control.topK);
		if (c.listed < 0 && control.topK <= maxListed) c.list(c.distance);
	}
	if (control.topP > 0 && control.topP < 1) c.top(control.topP);
	if (control.minP > 0) c.atLeast(control.minP);
	int32 choice = gumbelMost(control.seed, control.position + index + 1, streamChoice, c, 0);
	if (threadIdx.x == 0) a.choices[index] = choice;
	if (!a.draft && !a.keep) return;

	double total = double(c.totalWeight()) / one;
	if (a.draft && threadIdx.x == 0) a.chances[index] = float(1 / total);
	if (a.keep) {
		visitRow(row, a.vocab, [&](int id, float logit) {
			logit = number(logit);
			row[id] = c.has(id, logit) ? float(c.share(logit) / total) : 0;
		});
	}
}
