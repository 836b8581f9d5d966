// The Metal Shading Language on the emulator's core: what the kernels use of it, by the Metal Shading Language
// Specification, version 3.2. A kernel that uses a name that is not here does not compile: add it.
//
// With ADDRESS_SPACES the compiler holds pointers to the address spaces that they were declared with, as Metal's does;
// such a text is not run.
#pragma once
#include "types.h"

#include "arithmetic.h"
#include "atomic.h"
#include "matrix.h"
#include "simdgroup.h"

#include "arguments.h"

#define kernel
#define thread
#ifdef ADDRESS_SPACES
#define device __attribute__((address_space(1)))
#define constant const __attribute__((address_space(2)))
#define threadgroup __attribute__((address_space(3)))
#define THREADGROUP_VARIABLE static threadgroup
#else
#define device
#define constant const
#define threadgroup
#define THREADGROUP_VARIABLE static thread_local // a worker runs one group at a time; the core fills thread storage with poison
#endif

// A vector's name before a bracket is its constructor, which C++ does not have.
#define float2(...) metal::make<float2>(__VA_ARGS__)
#define float3(...) metal::make<float3>(__VA_ARGS__)
#define float4(...) metal::make<float4>(__VA_ARGS__)
#define half2(...) metal::make<half2>(__VA_ARGS__)
#define half3(...) metal::make<half3>(__VA_ARGS__)
#define half4(...) metal::make<half4>(__VA_ARGS__)
#define char2(...) metal::make<char2>(__VA_ARGS__)
#define char4(...) metal::make<char4>(__VA_ARGS__)
#define uchar2(...) metal::make<uchar2>(__VA_ARGS__)
#define uchar4(...) metal::make<uchar4>(__VA_ARGS__)
#define short2(...) metal::make<short2>(__VA_ARGS__)
#define short4(...) metal::make<short4>(__VA_ARGS__)
#define ushort2(...) metal::make<ushort2>(__VA_ARGS__)
#define ushort3(...) metal::make<ushort3>(__VA_ARGS__)
#define ushort4(...) metal::make<ushort4>(__VA_ARGS__)
#define int2(...) metal::make<int2>(__VA_ARGS__)
#define int3(...) metal::make<int3>(__VA_ARGS__)
#define int4(...) metal::make<int4>(__VA_ARGS__)
#define uint2(...) metal::make<uint2>(__VA_ARGS__)
#define uint3(...) metal::make<uint3>(__VA_ARGS__)
#define uint4(...) metal::make<uint4>(__VA_ARGS__)
#define long2(...) metal::make<long2>(__VA_ARGS__)
#define ulong2(...) metal::make<ulong2>(__VA_ARGS__)
