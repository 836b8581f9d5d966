// Accept ends a pass of the AR view (engine.Ops). One threadgroup does it.
#pragma once
#include "choose.h"

struct AcceptArgs {
	int rows, first;
	int vocab;
	int reject; // by the kept probabilities; else drafts that are the choices are accepted
};

// residual samples max(p-q, 0). Where rounding leaves nothing of it, p and q are equal and choice is as good.
inline int residual(Group g, device const float *p, device const float *q, int vocab, Seed seed, int position, int choice) {
	Best best = {-INFINITY, -1};
	for (int t = g.index; t < vocab; t += g.size) {
		const float d = p[t] - q[t];
		if (d > 0) best.consider(precise::log(d) + gumbel(seed, position, t, streamResidual), t);
	}
	best = groupBest(g, best);
	return best.token == -1 ? choice : best.token;
}

kernel void accept(constant AcceptArgs &a [[buffer(0)]], device Control *control [[buffer(1)]], device int *tokens [[buffer(2)]],
                   device const int *choices [[buffer(3)]], device int *told [[buffer(4)]],
                   device const float *p [[buffer(5)]], device const float *q [[buffer(6)]],
                   uint3 size [[threads_per_threadgroup]], uint index [[thread_index_in_threadgroup]],
                   ushort simd [[simdgroup_index_in_threadgroup]], ushort lane [[thread_index_in_simdgroup]]) {
	threadgroup float floats[32];
	threadgroup int ints[32];
	Group g;
	g.index = index, g.size = size.x, g.simd = simd, g.lane = lane, g.floats = floats, g.ints = ints;
	const int drafts = a.rows - a.first - 1, position = control->position + a.first;
	const Seed seed = {control->seed[0], control->seed[1]};

	// All threads find the same.
	int n = 0;
	bool refused = false;
	for (; n < drafts; n++) {
		const int token = tokens[a.first + n + 1];
		if (a.reject) { // Leviathan, Kalman and Matias (2023): with probability min(1, p/q)
			const float u = (float(philox(seed, position + n + 1, 0, streamAccept)) + 0.5f) * 0x1p-32f;
			refused = u * q[long(n) * a.vocab + token] >= p[long(n) * a.vocab + token];
		} else {
			refused = token != choices[a.first + n];
		}
		if (refused) break;
	}
	int next = choices[a.first + n];
	if (a.reject && refused)
		next = residual(g, p + long(n) * a.vocab, q + long(n) * a.vocab, a.vocab, seed, position + n + 1, next);
	threadgroup_barrier(mem_flags::mem_device);
	if (index > 0) return;
	for (int i = 0; i < n; i++) told[i] = tokens[a.first + i + 1];
	told[n] = next;
	control->tokens = n + 1;
	control->position += a.first + n + 1;
	tokens[0] = next;
}
