// The choice of a token for a row of logits, as engine/cpu/choose.go makes it, by a block. Mostly it is among the candidates that
// the survey of the row has listed; else the block reads the row several times, from the L2 cache.
//
// Candidates are ordered by their distance from the likeliest, a difference of integers in the order of the logits, and
// then by id. A filter keeps a first part of that order, so it is a bound, found by counting or weighing candidates by
// ranges of distances. Weights are added up as integers, so no order of threads matters.
#pragma once
#include "survey.cuh"

constexpr int chooseThreads = 1024;
constexpr int maxListed = 2048;

struct Choosing {
	uint32 low[bins], high[bins]; // weights
	float logit[maxListed];       // candidates
	int32 id[maxListed];
	Bins found;
	int32 listed;
	uint32 farthest;
};

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
	int listed = -1;     // how many are listed in shared memory, no others being looked at; -1: they are not
	uint64 complete = 0; // all below this distance are

	__device__ uint32 distanceOf(float logit) const { return ordered(peak) - ordered(logit); }
	__device__ bool has(int id, float logit) const {
		uint32 d = distanceOf(logit);
		return d < distance || d == distance && id <= this->id;
	}

	// exact is the logit that is drawn with.
	__device__ double exact(float logit) const { return (double(logit) - double(peak)) / temperature; }
	__device__ float fast(float logit) const { return logit == peak ? 0 : (logit - peak) / float(temperature); }

	// weight is exp(exact) in units, as near as double has it if candidates are few.
	__device__ uint64 weight(float logit) const { return uint64(probability(logit) * unitWeight + 0.5); }
	__device__ double probability(float logit) const {
		return listed >= 0 ? slowExp(exact(logit)) : share(logit, peak, log2e / temperature);
	}
	__device__ static __noinline__ double slowExp(double x) { return exp(x); }

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
		if (shared.listed <= maxListed) listed = shared.listed, complete = most + 1ull;
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
		constexpr int each = bins / chooseThreads;
		uint64 w[each];
		for (int i = 0; i < each; i++) {
			int bin = threadIdx.x * each + i;
			w[i] = uint64(shared.high[bin]) << 32 | shared.low[bin];
		}
		findBin(shared.found, w, before, target);
		return {from + (uint32(shared.found.bin) << shift), shared.found.before, shared.found.weight};
	}

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

	// borrow lists what the surveys of a row's slices have listed, as far as all have.
	__device__ void borrow(const Survey *surveys, int slices) {
		uint64 above = 0;
		for (int i = threadIdx.x; i < slices; i += chooseThreads) above = larger(above, uint64(surveys[i].above));
		above = blockMost(above);
		if (threadIdx.x == 0) shared.listed = 0;
		__syncthreads();
		for (int i = warpId(); i < slices; i += chooseThreads / 32) {
			const Survey &s = surveys[i];
			for (int j = laneId(); j < int(s.listed); j += 32) {
				if (ordered(s.logit[j]) <= above) continue;
				int at = atomicAdd(&shared.listed, 1);
				if (at < maxListed) shared.id[at] = s.id[j], shared.logit[at] = s.logit[j];
			}
		}
		__syncthreads();
		if (shared.listed > maxListed) return;
		listed = shared.listed;
		complete = above == 0 ? ~0ull : ordered(peak) - above;
	}

	// partial tells whether there may be candidates that are not listed.
	__device__ bool partial() const { return listed >= 0 && distance >= complete; }

	// first keeps k.
	__device__ void first(int k) {
		if (partial() && k > listed) listed = -1;
		cut<true>(k);
		if (listed < 0 && k <= maxListed) list(distance);
	}

	// top keeps the fewest first candidates that have at least a share p of their weight.
	__device__ void top(double p, uint64 total) {
		uint64 target = smaller(total, larger(uint64(1), uint64(ceil(p * double(total)))));
		if (partial() && totalWeight() < target) listed = -1;
		if (listed < 0) target = smaller(target, totalWeight()); // weights are rounded otherwise
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
		if (partial()) listed = -1;
		if (listed < 0) list(distance);
	}
};

struct ChooseArgs {
	const Control *control;
	const Survey *surveys; // [rows][slices]
	float *logits;         // [rows][vocab]
	int32 *choices;
	float *chances;
	int32 vocab, slices;
	int32 first;       // the row of the pass that has the first logits
	int32 draft, keep; // see engine.Ops
	int32 pad;
};

extern "C" __global__ void __launch_bounds__(chooseThreads) choose(ChooseArgs a) {
	__shared__ Choosing shared;
	releaseNext();
	awaitBefore();
	const Control &control = *a.control;
	const Survey *surveys = a.surveys + blockIdx.x * a.slices;
	float *row = a.logits + int64(blockIdx.x) * a.vocab;
	const int index = a.first + blockIdx.x;
	const bool greedy = control.temperature <= 0;

	uint64 best = 0;
	for (int i = threadIdx.x; i < a.slices; i += chooseThreads) best = larger(best, surveys[i].best);
	best = blockMost(best);
	const float peak = number(unordered(uint32(best >> 32)));
	const double scale = greedy ? log2e : log2e / control.temperature;
	uint64 total = 0;
	for (int i = threadIdx.x; i < a.slices; i += chooseThreads)
		total += uint64(double(surveys[i].weight) * share(number(unordered(uint32(surveys[i].best >> 32))), peak, scale));
	total = blockSum(total);
	if (greedy) {
		if (threadIdx.x == 0) {
			a.choices[index] = ~int32(best);
			if (a.draft) a.chances[index] = float(unitWeight / double(total));
		}
		return;
	}

	Candidates c{shared, row, a.vocab, peak, control.temperature};
	c.borrow(surveys, a.slices);
	if (control.topK > 0 && control.topK < a.vocab) {
		c.first(control.topK);
		total = c.totalWeight();
	}
	if (control.topP > 0 && control.topP < 1) c.top(control.topP, total);
	if (control.minP > 0) c.atLeast(control.minP);
	if (c.partial()) c.listed = -1;
	int32 choice = gumbelMost(control.seed, control.position + index + 1, streamChoice, c, 0);
	if (threadIdx.x == 0) a.choices[index] = choice;
	if (!a.draft && !a.keep) return;

	const double sum = double(c.totalWeight()) / unitWeight;
	if (a.draft && threadIdx.x == 0) a.chances[index] = float(1 / sum);
	if (a.keep) {
		visitRow(row, a.vocab, [&](int id, float logit) {
			logit = number(logit);
			row[id] = c.has(id, logit) ? float(c.probability(logit) / sum) : 0;
		});
	}
}
