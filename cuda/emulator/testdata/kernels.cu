// Kernels that test the emulator itself.
#include "../../kernels/common.cuh"

struct ScaleArgs {
	const float *x;
	float *y;
	int32 n;
	float factor;
};
extern "C" __global__ void scale(ScaleArgs a) {
	awaitBefore();
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i < a.n) a.y[i] = a.x[i] * a.factor;
}

// Matrix products by fragments, which lie in memory lane by lane.
struct ProductArgs {
	const uint32 *a, *b;
	void *c;
	int64 kind;
};
enum { s8k32, u8k32, s8k16, f16k16 };
extern "C" __global__ void product(ProductArgs p) {
	awaitBefore();
	const int lane = laneId();
	const int words = p.kind == s8k16 ? 2 : 4;
	uint32 a[4] = {}, b[2] = {};
	for (int i = 0; i < words; i++) a[i] = p.a[lane * words + i];
	for (int i = 0; i < words / 2; i++) b[i] = p.b[lane * words / 2 + i];
	int32 *c = static_cast<int32 *>(p.c) + 4 * lane, d[4] = {c[0], c[1], c[2], c[3]};
	float f[4];
	for (int i = 0; i < 4; i++) f[i] = floatOf(d[i]);
	if (p.kind == s8k32) mmaS8(d, a, b[0], b[1]);
	if (p.kind == u8k32) mmaU8(d, a, b[0], b[1]);
	if (p.kind == s8k16) mmaS8(d, a[0], a[1], b[0]);
	if (p.kind == f16k16) mmaF16(f, a, b[0], b[1]);
	for (int i = 0; i < 4; i++) c[i] = p.kind == f16k16 ? bitsOf(f[i]) : d[i];
}

// The ways to fail, by number, and what is right beside them.
struct MisuseArgs {
	uint32 *x; // of 100 words
	uint32 *y; // of a word for every thread
	int64 kind;
};
__device__ int deep(volatile char *above, int n) {
	volatile char here[1000];
	here[0] = *above;
	return n == 0 ? here[0] : deep(here, n - 1) + here[n % 1000];
}
extern "C" __global__ void __launch_bounds__(128) misuse(MisuseArgs a) {
	__shared__ uint32 still[256];
	uint32 *shared = reinterpret_cast<uint32 *>(sharedMemory());
	const int i = threadIdx.x;
	uint32 v = 0;
	if (a.kind == 25) v = a.x[0]; // nobody has written it, so it may be read
	if (a.kind == 26) a.x[0] = 0;
	if (a.kind == 27) return;
	awaitBefore();
	switch (a.kind) {
	case 0: // nothing wrong
		shared[i] = i;
		still[i] = i;
		__syncthreads();
		v = shared[i ^ 32] + still[i ^ 32] + shuffleXor(uint32(i), 1);
		break;
	case 1: v = a.x[i]; break;
	case 2: a.x[100] = i; break;
	case 3: a.x[-1 - i] = i; break;
	case 4: v = shared[256 + i]; break;
	case 5: v = sharedMemory()[-1]; break;
	case 6: // not all come
		if (i != 70) __syncthreads();
		break;
	case 7: // two barriers
		if (i < 64) barrierWait(1, 128);
		else barrierWait(2, 128);
		break;
	case 8: // lanes part
		v = i % 32 < 16 ? ballotLanes(true) : shuffle(i, 0);
		break;
	case 9: v = __shfl_sync(i % 32 < 16 ? 0xffff : 0xffff0000, i, 20); break;
	case 10: v = __shfl_sync(0xfffe, i, 1); break;
	case 11: v = reinterpret_cast<const Bytes16 *>(a.x + 1)->w[0] + loadOnce(reinterpret_cast<const Bytes16 *>(a.x + 1)).w[1]; break;
	case 12: v = deep(reinterpret_cast<volatile char *>(&v), 1000); break;
	case 13: // waits for what nobody does
		while (atomicAdd(a.x, 0) == 0) {
		}
		break;
	case 14: // half a warp opens a barrier
		if (i < 64 && i % 32 < 16) barrierWait(1, 32);
		break;
	case 15: v = *reinterpret_cast<uint32 *>(uint64(a.x) ^ 1ull << 62); break;
	case 16: v = shared[i] ^ still[i]; break; // poison
	case 17: // too early, and in time
	case 18:
		if (i < 25) copyAsync(shared + 4 * i, a.x + 4 * i);
		commitCopies();
		if (a.kind == 18) waitCopies<0>();
		__syncthreads();
		v = i < 100 ? shared[i] : 0;
		break;
	case 19: // no barrier between
		shared[i] = i;
		v = shared[i ^ 32];
		break;
	case 20: // the last of all blocks
		v = atomicAdd(a.x, 1) == gridDim.x * blockDim.x - 1;
		if (!v) return;
		break;
	case 21: // arrives, and others wait
		if (i < 64) {
			shared[i] = i;
			barrierArrive(3, 128);
		} else {
			barrierWait(3, 128);
			v = shared[i - 64];
		}
		break;
	case 22: // written, barrier, read, and written again too early
		shared[i] = i;
		__syncthreads();
		v = shared[i ^ 64];
		shared[i] = 0;
		break;
	case 23: { // a local array
		uint32 local[4] = {1, 2, 3, 4};
		v = local[i / 8];
		break;
	}
	case 24: v = uint32(i) >> i; break;
	case 28: a.x[i / 8] = i; break; // both blocks
	case 29: // another block's
		a.y[blockIdx.x * blockDim.x + i] = 0;
		v = a.y[(1 - blockIdx.x) * blockDim.x + i];
		break;
	}
	a.y[blockIdx.x * blockDim.x + i] = v;
}
