#pragma once
#include "norm.cuh"

constexpr int gateWarps = 4;

struct GateArgs {
	const float *gate, *up; // [rows][width]
	float *dst;             // as these, or 0; may be gate
	Acts acts;              // at 0: none
	int32 rows, width;
	Span ahead;
};

// A warp takes 256 values of a row: silu(gate) * up. The blocks beyond these prefetch.
extern "C" __global__ void __launch_bounds__(32 * gateWarps) gate(GateArgs a) {
	releaseNext();
	int groups = ceilDiv(a.width, actGroup), index = blockIdx.x * gateWarps + warpId();
	if (index >= a.rows * groups) {
		int spare = ceilDiv(a.rows * groups, gateWarps);
		if (int(blockIdx.x) >= spare) prefetchSpan(a.ahead, blockIdx.x - spare, gridDim.x - spare);
		return;
	}
	awaitBefore();
	int row = index / groups, group = index % groups;
	int64 first = int64(row) * a.width;
	float x[8], up[8];
	loadGroup(a.gate + first, group, a.width, x);
	loadGroup(a.up + first, group, a.width, up);
	for (int i = 0; i < 8; i++) x[i] = x[i] * reciprocalFast(1 + exp2Fast(x[i] * -1.44269504f)) * up[i];
	if (a.dst) storeGroup(a.dst + first, group, a.width, x);
	if (a.acts.at) storeActs(a.acts, row, group, x);
}
