// Kernels that test the emulator itself.
#include "../../kernels/common.cuh"

struct ScaleArgs {
	const float *x;
	float *y;
	int32_t n;
	float scale;
};
extern "C" __global__ void scale(ScaleArgs a) {
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i < a.n)
		a.y[i] = a.x[i] * a.scale;
}
