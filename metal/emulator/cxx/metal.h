// The Metal Shading Language on the emulator's core: what the kernels use of it, by the Metal Shading Language
// Specification, version 3.2. A kernel that uses a name that is not here does not compile: add it.
//
// With ADDRESS_SPACES the text is only looked through for errors (check.go).
#pragma once
#pragma clang system_header
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
