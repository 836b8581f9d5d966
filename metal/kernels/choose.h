// Choose decides on one token for each row of logits, as engine/cpu does, in float32. A threadgroup takes a row.
//
// Sampling needs no list of candidates: tokens are ordered by logit and, of equals, by id, and each of top-k and top-p keeps
// those from some place of that order on, which is found bit by bit.
#pragma once
#include "control.h"
#include "noise.h"

struct ChooseArgs {
	int vocab;
	int first; // row of the pass to which the first row of logits belongs
	int noteChances, keep;
};

// Group is a threadgroup, whose threads take the tokens thread, thread+size, ...
struct Group {
	int index, size;
	ushort simd, lane;
	threadgroup float *floats; // one a simdgroup
	threadgroup int *ints;
};

// The sum over a group is in a fixed order; all threads get it.
inline float groupSum(Group g, float x) {
	x = treeSum(x);
	threadgroup_barrier(mem_flags::mem_threadgroup);
	if (g.lane == 0) g.floats[g.simd] = x;
	threadgroup_barrier(mem_flags::mem_threadgroup);
	float sum = 0;
	for (int i = 0; i < g.size / 32; i++) sum += g.floats[i];
	return sum;
}

// Best is the largest key, and of equals the lowest token.
struct Best {
	float key;
	int token;

	void consider(float k, int t) {
		if (k > key || (k == key && t < token)) key = k, token = t;
	}
};

inline Best groupBest(Group g, Best b) {
	for (ushort mask = 16; mask > 0; mask /= 2) {
		const float key = simd_shuffle_xor(b.key, mask);
		const int token = simd_shuffle_xor(b.token, mask);
		b.consider(key, token);
	}
	threadgroup_barrier(mem_flags::mem_threadgroup);
	if (g.lane == 0) g.floats[g.simd] = b.key, g.ints[g.simd] = b.token;
	threadgroup_barrier(mem_flags::mem_threadgroup);
	for (int i = 0; i < g.size / 32; i++) b.consider(g.floats[i], g.ints[i]);
	return b;
}

// number is a logit with NaN and -Inf replaced by the smallest finite value.
inline float number(float l) { return l > -FLT_MAX ? min(l, FLT_MAX) : -FLT_MAX; }

// ordered is a logit as an integer of the same order.
inline uint ordered(float l) {
	const uint bits = as_type<uint>(l + 0.0f); // one zero
	return bits & 0x80000000 ? ~bits : bits | 0x80000000;
}

// Row is a row of logits and what is kept of it: tokens from (least, last) of the order on that weigh at least minP.
struct Row {
	device const float *logits;
	int vocab;
	float peak, temperature, minP;
	uint least;
	int last; // token kept of those whose ordered logit is least

	float scaled(int t) const { return (number(logits[t]) - peak) / temperature; }
	float weight(int t) const { return exponential(scaled(t)); }
	bool above(int t) const {
		const uint o = ordered(number(logits[t]));
		return o > least || (o == least && t <= last);
	}
	bool kept(int t) const { return above(t) && weight(t) >= minP; }
};

// measure is the number of tokens above r's place, or their weight.
inline float measure(Group g, Row r, bool weigh) {
	float sum = 0;
	for (int t = g.index; t < r.vocab; t += g.size)
		if (r.above(t)) sum += weigh ? r.weight(t) : 1.0f;
	return groupSum(g, sum);
}

// cut moves r's place to the last one in the order before which, itself included, the measure is at least target. A count
// is exact in float.
inline void cut(Group g, thread Row &r, bool weigh, float target) {
	Row to = r;
	to.least = 0, to.last = r.vocab;
	for (uint bit = 0x80000000; bit > 0; bit >>= 1) {
		to.least |= bit;
		if (measure(g, to, weigh) < target) to.least ^= bit;
	}
	// Of those whose logit is the least one, the first ones suffice.
	int low = -1, high = r.vocab - 1; // up to high suffices
	while (high - low > 1) {
		to.last = (low + high) / 2;
		if (measure(g, to, weigh) < target) low = to.last;
		else high = to.last;
	}
	to.last = high;
	r = to;
}

kernel void choose(constant ChooseArgs &a [[buffer(0)]], device const Control *control [[buffer(1)]], device float *logits [[buffer(2)]],
                   device int *choices [[buffer(3)]], device float *chances [[buffer(4)]],
                   uint3 at [[threadgroup_position_in_grid]], uint3 size [[threads_per_threadgroup]],
                   uint index [[thread_index_in_threadgroup]], ushort simd [[simdgroup_index_in_threadgroup]],
                   ushort lane [[thread_index_in_simdgroup]]) {
	threadgroup float floats[32];
	threadgroup int ints[32];
	Group g;
	g.index = index, g.size = size.x, g.simd = simd, g.lane = lane, g.floats = floats, g.ints = ints;
	const int row = a.first + at.x;
	device float *l = logits + long(at.x) * a.vocab;

	if (!(control->temperature > 0)) { // greedy
		Best best = {-INFINITY, 0};
		for (int t = index; t < a.vocab; t += g.size)
			if (l[t] > best.key) best.key = l[t], best.token = t;
		best = groupBest(g, best);
		float sum = 0;
		if (a.noteChances)
			for (int t = index; t < a.vocab; t += g.size) sum += exponential(l[t] - best.key);
		sum = groupSum(g, sum);
		if (index == 0) choices[row] = best.token;
		if (index == 0 && a.noteChances) chances[row] = 1.0f / sum;
		return;
	}

	Best top = {-INFINITY, 0};
	for (int t = index; t < a.vocab; t += g.size) top.consider(number(l[t]), t);
	top = groupBest(g, top);
	Row r;
	r.logits = l, r.vocab = a.vocab, r.peak = top.key, r.temperature = control->temperature, r.minP = control->minP;
	r.least = 0, r.last = a.vocab;
	if (control->topK > 0 && control->topK < a.vocab) cut(g, r, false, control->topK);
	if (control->topP > 0 && control->topP < 1) {
		const Row all = r;
		cut(g, r, true, control->topP * measure(g, all, true));
		// The cut is among all tokens, of which top-k may have kept fewer.
		if (all.least > r.least || (all.least == r.least && all.last < r.last)) r = all;
	}

	const Seed seed = {control->seed[0], control->seed[1]};
	Best best = {-INFINITY, 0};
	float sum = 0;
	for (int t = index; t < a.vocab; t += g.size) {
		if (!r.kept(t)) continue;
		sum += r.weight(t);
		best.consider(r.scaled(t) + gumbel(seed, control->position + row + 1, t, streamChoice), t);
	}
	best = groupBest(g, best);
	sum = groupSum(g, sum);
	if (index == 0) choices[row] = best.token;
	if (index == 0 && a.noteChances) chances[row] = 1.0f / sum;
	if (!a.keep) return;
	threadgroup_barrier(mem_flags::mem_device);
	for (int t = index; t < a.vocab; t += g.size) l[t] = r.kept(t) ? r.weight(t) / sum : 0.0f;
}
