// The control block: what is different between two runs of a recorded pass (engine.Context). control.go has its layout.
#pragma once
#include "common.h"

struct Control {
	int position; // of the pass's first row
	// engine.Sampling
	float temperature, topP, minP;
	int topK;
	uint seed[2];
	// Of the last accept and draft: how many tokens and chances.
	int tokens, chances;
	int pad;
};

struct SampleArgs {
	float temperature, topP, minP;
	int topK;
	uint seed[2];
};

kernel void sample(constant SampleArgs &a [[buffer(0)]], device Control *control [[buffer(1)]]) {
	control->temperature = a.temperature;
	control->topP = a.topP;
	control->minP = a.minP;
	control->topK = a.topK;
	control->seed[0] = a.seed[0];
	control->seed[1] = a.seed[1];
}

// The tokens come with the dispatch itself, so nothing on the host has to wait for it.
struct SeekArgs {
	int position, first, count, pad;
	int token[512];
};

kernel void seek(constant SeekArgs &a [[buffer(0)]], device Control *control [[buffer(1)]], device int *tokens [[buffer(2)]],
                 uint t [[thread_index_in_threadgroup]]) {
	if (t == 0) control->position = a.position;
	for (int i = t; i < a.count; i += 32) tokens[a.first + i] = a.token[i];
}

struct MaskArgs {
	int rows, token;
};

kernel void mask(constant MaskArgs &a [[buffer(0)]], device int *tokens [[buffer(1)]], uint t [[thread_index_in_threadgroup]]) {
	for (int i = 1 + t; i < a.rows; i += 32) tokens[i] = a.token;
}

struct DraftArgs {
	int rows, pad;
};

kernel void draft(constant DraftArgs &a [[buffer(0)]], device Control *control [[buffer(1)]], device int *tokens [[buffer(2)]],
                  device const int *choices [[buffer(3)]], device const float *chances [[buffer(4)]], device float *told [[buffer(5)]],
                  uint t [[thread_index_in_threadgroup]]) {
	if (t == 0) control->chances = a.rows;
	for (int i = t; i < a.rows; i += 32) {
		tokens[i + 1] = choices[i];
		told[i] = chances[i];
	}
}
