// Package emulator runs GPU kernels on the CPU, for tests (build tag emulator, Linux): it compiles them as C++ together
// with the core in this folder, and loads the result. What core.h offers knows no kernel language; a package per language
// has the header with the language's names.
//
// What would be silent or a hang on a device is an error here that names kernel, block and thread: accesses outside of
// allocations and of shared memory, barriers and warp operations that not all reach. Shared memory starts as poison, and
// threads run in an order that a seed decides.
package emulator
