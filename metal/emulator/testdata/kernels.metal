// Kernels that test the emulator itself.
#include <metal_stdlib>
#include <metal_simdgroup_matrix>

using namespace metal;

struct ScaleArgs {
	int n;
	float scale;
};
kernel void scale(constant ScaleArgs &a [[buffer(0)]], device const float *x [[buffer(1)]], device float *y [[buffer(2)]],
	uint i [[thread_position_in_grid]]) {
	if (i < uint(a.n))
		y[i] = x[i] * a.scale;
}

// Without a barrier where it needs one, if that is asked for.
kernel void reversed(constant ScaleArgs &a [[buffer(0)]], device float *x [[buffer(1)]], threadgroup float *shared [[threadgroup(0)]],
	uint group [[threadgroup_position_in_grid]], uint threads [[threads_per_threadgroup]], uint t [[thread_index_in_threadgroup]]) {
	device float *mine = x + group * threads;
	shared[t] = mine[t];
	if (a.scale != 0)
		threadgroup_barrier(mem_flags::mem_threadgroup);
	mine[t] = shared[threads - 1 - t];
}

kernel void half_barrier(device float *x [[buffer(1)]], uint t [[thread_index_in_threadgroup]]) {
	threadgroup float part[64];
	if (t < 32)
		threadgroup_barrier(mem_flags::mem_threadgroup);
	part[t] = t;
	x[t] = part[t];
}

kernel void divergent(device float *x [[buffer(1)]], uint t [[thread_index_in_threadgroup]]) {
	if (t != 5)
		x[t] = simd_sum(1.0f);
}

kernel void misaligned(device const uchar *x [[buffer(1)]], device float *y [[buffer(2)]], uint t [[thread_index_in_threadgroup]]) {
	device const uint *words = (device const uint *)(x + 2);
	y[t] = words[t];
}

kernel void outside(device float *x [[buffer(1)]], constant ScaleArgs &a [[buffer(0)]], uint t [[thread_index_in_threadgroup]]) {
	float local[4] = {1, 2, 3, 4};
	x[t] = local[t + a.n];
}

kernel void poison(device float *x [[buffer(1)]], threadgroup float *shared [[threadgroup(0)]], uint t [[thread_index_in_threadgroup]]) {
	if (t == 0)
		x[0] = shared[1];
}

struct Results {
	int sum, least, most, prefix, before, up, xored, broadcast;
	uint ballot;
	float sumf;
};
kernel void lanes(device Results *r [[buffer(1)]], ushort lane [[thread_index_in_simdgroup]], ushort group [[simdgroup_index_in_threadgroup]]) {
	device Results &mine = r[group * 32 + lane];
	int v = int(lane) * 3 - 7;
	mine.sum = simd_sum(v);
	mine.least = simd_min(v);
	mine.most = simd_max(v);
	mine.prefix = simd_prefix_inclusive_sum(v);
	mine.before = simd_prefix_exclusive_sum(v);
	int up = simd_shuffle_up(v, 2);
	mine.up = lane < 2 ? 0 : up;
	mine.xored = simd_shuffle_xor(v, 5);
	mine.broadcast = simd_broadcast(v, 9);
	mine.ballot = uint(ulong(simd_ballot(v > 0)));
	float4 f = simd_sum(float4(lane, 0, 1, 0.5f));
	mine.sumf = dot(f, float4(1.0f));
}

// c = a b^T + c of 8 x 8, a and c of stride 16.
template <class T>
kernel void multiply(device const T *a [[buffer(1)]], device const T *b [[buffer(2)]], device float *c [[buffer(3)]]) {
	simdgroup_matrix<T, 8, 8> x, y;
	simdgroup_float8x8 z;
	simdgroup_load(x, a, 16);
	simdgroup_load(y, b, 8, 0, true);
	simdgroup_load(z, c, 16);
	simdgroup_multiply_accumulate(z, x, y, z);
	z.thread_elements()[0] *= 2;
	z.thread_elements()[1] *= 2;
	simdgroup_store(z, c, 16);
}
template [[host_name("multiply_half")]] kernel decltype(multiply<half>) multiply<half>;
template [[host_name("multiply_float")]] kernel decltype(multiply<float>) multiply<float>;

struct Numbers {
	float fused, separate, exponential;
	uint bits;
	half2 halves;
	uint high;
	uchar4 bytes;
	int selected;
	ulong wide;
};
kernel void numbers(device Numbers *r [[buffer(1)]], device const half *h [[buffer(2)]]) {
	float x = 1 + exp2(-12.0f);
	r->fused = fma(x, x, -1.0f);
	r->separate = x * x - 1;
	r->exponential = precise::exp(1.0f);
	r->bits = as_type<uint>(half2(1.0h, -2.0h));
	r->halves = half2(h[0] + h[1], h[0] * h[1]);
	r->high = mulhi(0x80000000u, 6u);
	uchar4 b = as_type<uchar4>(0x04030201u);
	r->bytes = b.wzyx;
	int4 s = select(int4(1, 2, 3, 4), int4(0), int4(b) > 2);
	r->selected = s.x * 1000 + s.y * 100 + s.z * 10 + s.w;
	r->wide = mulhi(~0ul, 10ul) + popcount(uint(255)) + clz(1u) + ctz(8u);
}

kernel void count(device atomic_uint *x [[buffer(1)]]) { atomic_fetch_add_explicit(x, 1u, memory_order_relaxed); }

kernel void subnormal(device const float *x [[buffer(1)]], device float *y [[buffer(2)]], device const half *h [[buffer(3)]]) {
	y[0] = x[0] * x[1];
	y[1] = float(h[0]);
}
