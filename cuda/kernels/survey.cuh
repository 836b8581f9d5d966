// The first look at rows of logits, by many blocks: a block has a slice of a row, and leaves its likeliest token, its weight, and
// its likeliest tokens, which are mostly enough to choose from.
#pragma once
#include "control.cuh"
#include "noise.cuh"

constexpr int bins = 2048;
constexpr int firstShift = 15; // the first bins tell a row's likeliest from each other, and most others too

// number is a logit with NaN and infinities replaced by the nearest finite value.
__device__ inline float number(float l) { return l > -maxFloat ? fminf(l, maxFloat) : -maxFloat; }

// share is exp((logit - peak) / temperature) within 2e-7: double's exp would take long. scale is log2(e) / temperature.
__device__ inline double share(float logit, float peak, double scale) {
	double y = (double(logit) - double(peak)) * scale, n = floor(y);
	if (!(n > -1000)) return 0;
	return double(exp2f(float(y - n))) * __longlong_as_double(int64(1023 + int(n)) << 52);
}

constexpr double log2e = 1.4426950408889634;
// Weights are shares in units of 2^-43, whole numbers: the sum of a row is below 2^63.
constexpr double unitWeight = 1ull << 43;

constexpr int surveyThreads = 512, surveyBatch = 4;
constexpr int sliceTokens = surveyThreads * 4 * surveyBatch;
constexpr int surveyWanted = 64, surveyMost = 96;

struct Survey {
	uint64 best;    // logit in order, then the lowest id
	uint64 weight;  // of all of the slice, that of its best being one unit
	uint32 listed;  // candidates, all whose order is above
	uint32 above;
	float logit[surveyMost];
	int32 id[surveyMost];
};

static_assert(sizeof(Survey) == 792, "oneSurvey in choose.go");

struct SurveyArgs {
	const Control *control;
	const float *logits; // [rows][vocab]
	Survey *surveys;     // [rows][slices]
	int32 vocab, slices;
	int32 weigh, pad; // weights are wanted
};

// Slice s has every slices-th 128 tokens from 128s on, so that neighbours are in different ones.
extern "C" __global__ void __launch_bounds__(surveyThreads) survey(SurveyArgs a) {
	__shared__ uint32 counts[bins];
	__shared__ Bins found;
	__shared__ int32 listed;
	releaseNext();
	awaitBefore();
	const int slice = blockIdx.x % a.slices, row = blockIdx.x / a.slices;
	const float *logits = a.logits + int64(row) * a.vocab;
	Survey &s = a.surveys[blockIdx.x];
	const double temperature = a.control->temperature;

	float x[4 * surveyBatch];
	auto token = [&](int i) { return ((i / 4 * (surveyThreads / 32) + warpId()) * a.slices + slice) * 128 + 4 * laneId() + i % 4; };
#pragma unroll
	for (int b = 0; b < surveyBatch; b++) {
		int first = token(4 * b);
		if (a.vocab % 4 == 0 && first < a.vocab) {
			Bytes16 v = *reinterpret_cast<const Bytes16 *>(logits + first);
			for (int i = 0; i < 4; i++) x[4 * b + i] = floatOf(v.w[i]);
		} else {
			for (int i = 0; i < 4; i++) x[4 * b + i] = first + i < a.vocab ? logits[first + i] : -infinity();
		}
	}
	// Every thread has its tokens in ascending order, so the first of equals stays. A NaN is never larger.
	float peak = -infinity();
	int32 at = 0;
#pragma unroll
	for (int i = 0; i < 4 * surveyBatch; i++)
		if (x[i] > peak) peak = x[i], at = token(i);
	uint64 best = blockMost(uint64(ordered(peak)) << 32 | uint32(~at));
	peak = number(unordered(uint32(best >> 32)));

	uint64 weight = 0;
	if (temperature > 0) {
		const double scale = log2e / temperature;
#pragma unroll
		for (int i = 0; i < 4 * surveyBatch; i++)
			if (token(i) < a.vocab) weight += uint64(share(number(x[i]), peak, scale) * unitWeight + 0.5);
	} else if (a.weigh) { // for a chance alone, which is a float
#pragma unroll
		for (int i = 0; i < 4 * surveyBatch; i++)
			if (token(i) < a.vocab) weight += uint64(exp2Fast((number(x[i]) - peak) * float(log2e)) * float(unitWeight));
	}
	weight = blockSum(weight);
	if (threadIdx.x == 0) s.best = best, s.weight = weight;
	if (temperature <= 0) return;

	for (int i = threadIdx.x; i < bins; i += surveyThreads) counts[i] = 0;
	if (threadIdx.x == 0) listed = 0;
	__syncthreads();
#pragma unroll
	for (int i = 0; i < 4 * surveyBatch; i++) {
		uint32 bin = (ordered(peak) - ordered(number(x[i]))) >> firstShift;
		if (token(i) < a.vocab && bin < bins) atomicAdd(&counts[bin], 1);
	}
	if (threadIdx.x == 0) atomicAdd(&counts[bins - 1], sliceTokens); // so that there are as many as are wanted
	__syncthreads();
	constexpr int each = bins / surveyThreads;
	uint64 w[each];
	for (int i = 0; i < each; i++) w[i] = counts[threadIdx.x * each + i];
	findBin(found, w, 0, surveyWanted);
	// Where the last bin would be too much it is left out.
	uint32 beyond = uint32(found.bin + (found.before + found.weight <= surveyMost)) << firstShift; // distance of the first left out
	uint32 above = beyond > ordered(peak) ? 0 : ordered(peak) - beyond;
#pragma unroll
	for (int i = 0; i < 4 * surveyBatch; i++) {
		if (token(i) >= a.vocab || ordered(number(x[i])) <= above) continue;
		int n = atomicAdd(&listed, 1);
		s.logit[n] = number(x[i]), s.id[n] = token(i);
	}
	__syncthreads();
	if (threadIdx.x == 0) s.listed = listed, s.above = above;
}
