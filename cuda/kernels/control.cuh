// The control block: what is different between two runs of a recorded pass (engine.Context). control.go has the layout
// of the arrays that go with it.
#pragma once
#include "common.cuh"

struct Control {
	double temperature, topP, minP; // engine.Sampling
	uint64 seed;
	int32 topK;
	int32 position; // of the pass's first row
};
static_assert(sizeof(Control) == 40, "controlHeader in control.go");

// Outcome lies in pinned host memory, before the arrays that the last accept and draft wrote.
struct Outcome {
	int32 tokens; // how many
	int32 chances;
};

struct SampleArgs {
	Control *control;
	double temperature, topP, minP;
	uint64 seed;
	int32 topK, pad;
};

extern "C" __global__ void sample(SampleArgs a) {
	releaseNext();
	awaitBefore();
	a.control->temperature = a.temperature;
	a.control->topP = a.topP;
	a.control->minP = a.minP;
	a.control->seed = a.seed;
	a.control->topK = a.topK;
}

constexpr int seekTokens = 512;

// The tokens come with the launch itself, so nothing on the host has to wait for it.
struct SeekArgs {
	Control *control;
	int32 *tokens;
	int32 position, count;
	int32 token[seekTokens];
};

extern "C" __global__ void seek(SeekArgs a) {
	releaseNext();
	awaitBefore();
	if (threadIdx.x == 0) a.control->position = a.position;
	for (int i = threadIdx.x; i < a.count; i += blockDim.x) a.tokens[i] = a.token[i];
}

struct MaskArgs {
	int32 *tokens;
	int32 rows, token;
};

extern "C" __global__ void mask(MaskArgs a) {
	releaseNext();
	awaitBefore();
	for (int i = 1 + threadIdx.x; i < a.rows; i += blockDim.x) a.tokens[i] = a.token;
}

struct DraftArgs {
	const int32 *choices;
	const float *chances;
	int32 *tokens;
	Outcome *outcome;
	float *outcomeChances;
	int64 n;
};

extern "C" __global__ void draft(DraftArgs a) {
	releaseNext();
	awaitBefore();
	if (threadIdx.x == 0) a.outcome->chances = a.n;
	for (int i = threadIdx.x; i < a.n; i += blockDim.x) {
		a.tokens[i + 1] = a.choices[i];
		a.outcomeChances[i] = a.chances[i];
	}
}
