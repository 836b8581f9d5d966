#include <metal_stdlib>
#include <metal_simdgroup_matrix>

using namespace metal;
