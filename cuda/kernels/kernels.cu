// The kernels of package cuda: one translation unit. Each takes one parameter, a struct.
#include "control.cuh"
#include "act.cuh"
#include "gate.cuh"
#include "heads.cuh"
#include "norm.cuh"
#include "attendfloat.cuh"
#include "attendtile.cuh"
#include "matmul.cuh"
