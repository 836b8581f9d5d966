// Heads: the norm and the rotation of queries and keys, and what goes to the cache.
#pragma once
#include "cache.h"
#include "control.h"

struct HeadsArgs {
	int heads, kvHeads, dim;
	int store; // keys and values to the cache; else only the rotated keys in place
	int cache; // its type
	int blocks; // of 32 positions of a KV head in the cache
	float eps;
	int pad;
};

// A simdgroup takes a head: heads of queries, then of keys, then (with store) of values; rows. The rotations are
// [position][dim/2] pairs of cosine and sine.
kernel void heads(constant HeadsArgs &a [[buffer(0)]], device const Control *control [[buffer(1)]], device const float2 *rotations [[buffer(2)]],
                  device float *q [[buffer(3)]], device float *k [[buffer(4)]], device const float *v [[buffer(5)]],
                  device const float *qNorm [[buffer(6)]], device const float *kNorm [[buffer(7)]],
                  device uchar *keys [[buffer(8)]], device uchar *values [[buffer(9)]],
                  uint3 at [[threadgroup_position_in_grid]], ushort simd [[simdgroup_index_in_threadgroup]],
                  ushort lane [[thread_index_in_simdgroup]]) {
	threadgroup float shared[4][256];
	threadgroup float *x = shared[simd];
	const int row = at.y, position = control->position + row, dim = a.dim, pairs = dim / 2;
	int head = 4 * at.x + simd;
	if (head >= a.heads + (a.store ? 2 : 1) * a.kvHeads) return;
	const bool query = head < a.heads, value = head >= a.heads + a.kvHeads;
	head -= query ? 0 : value ? a.heads + a.kvHeads : a.heads;

	const long from = (long(row) * (query ? a.heads : a.kvHeads) + head) * dim;
	device float *inPlace = (query ? q : k) + from;
	device const float *src = value ? v + from : inPlace;
	for (int d = lane; d < dim; d += 32) x[d] = src[d];
	if (!value) {
		device const float *w = query ? qNorm : kNorm;
		float sum = 0;
		for (int d = lane; d < dim; d += 32) sum = fma(x[d], x[d], sum);
		const float scale = 1.0f / precise::sqrt(treeSum(sum) / float(dim) + a.eps);
		simdgroup_barrier(mem_flags::mem_threadgroup);
		for (int i = lane; i < pairs; i += 32) {
			const float2 turn = rotations[long(position) * pairs + i];
			const float u = x[i] * scale * w[i], t = x[i + pairs] * scale * w[i + pairs];
			x[i] = u * turn.x - t * turn.y;
			x[i + pairs] = t * turn.x + u * turn.y;
		}
	}
	simdgroup_barrier(mem_flags::mem_threadgroup);
	if (query || !a.store) {
		for (int d = lane; d < dim; d += 32) inPlace[d] = x[d];
		return;
	}
	const long block = (long(head) * a.blocks + position / 32) * cacheBytes(a.cache, dim);
	putCache(a.cache, (value ? values : keys) + block, dim, position % 32, !value, lane, x);
}
