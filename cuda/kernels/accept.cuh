// Which drafts a pass of the AR view accepts, as engine/cpu/accept.go does, and the control block for the next pass.
#pragma once
#include "choose.cuh"

struct AcceptArgs {
	Control *control;
	int32 *tokens, *choices;
	const float *p, *q; // [rows - first][vocab], kept by choose; at 0: drafts must match
	Outcome *outcome;
	int32 *outcomeTokens;
	int32 rows, first;
	int32 vocab, pad;
};

// Residual is max(p-q, 0), what a refused draft's place is drawn from.
struct Residual {
	using Value = double;
	const float *p, *q;
	int vocab;

	template <class F> __device__ void visit(F f) const {
		visitRow(p, vocab, [&](int id, float value) {
			double d = double(value) - double(q[id]);
			if (d > 0) f(id, d);
		});
	}
	__device__ double exact(double d) const { return log(d); }
	__device__ float fast(double d) const { return ln2 * (log2Fast(float(d) * 0x1p100f) - 100); } // d may be subnormal
};

extern "C" __global__ void __launch_bounds__(chooseThreads) accept(AcceptArgs a) {
	releaseNext();
	awaitBefore();
	const int position = a.control->position + a.first; // of the row that has the first draft behind it
	const int32 *drafts = a.tokens + a.first + 1, *choices = a.choices + a.first;
	const uint64 seed = a.control->seed;
	uint32 accepted = a.rows - a.first - 1;
	for (int i = threadIdx.x; i < int(accepted); i += chooseThreads) {
		bool refused = drafts[i] != choices[i];
		if (a.p) {
			double u = uniform(philox(seed, position + i + 1, 0, streamAccept).lane[0]);
			int64 at = int64(i) * a.vocab + drafts[i];
			refused = u * double(a.q[at]) >= double(a.p[at]);
		}
		if (refused) accepted = i;
	}
	accepted = ~uint32(blockMost(~accepted));

	int32 next = choices[accepted];
	if (a.p && int(accepted) < a.rows - a.first - 1) {
		int64 row = int64(accepted) * a.vocab;
		// Where rounding leaves nothing, p and q are equal and the row's own choice is as good.
		next = gumbelMost(seed, position + accepted + 1, streamResidual, Residual{a.p + row, a.q + row, a.vocab}, next);
	}
	for (int i = threadIdx.x; i < int(accepted); i += chooseThreads) a.outcomeTokens[i] = drafts[i];
	__syncthreads();
	if (threadIdx.x == 0) {
		a.outcomeTokens[accepted] = next;
		a.outcome->tokens = accepted + 1;
		a.control->position = position + accepted + 1;
		a.tokens[0] = next;
	}
}
