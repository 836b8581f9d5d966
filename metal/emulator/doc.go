// Package emulator compiles the Metal kernels of package metal as C++ and runs them on the CPU, for tests (build tag
// emulator, Linux). The folder cxx has the Metal Shading Language's names.
package emulator
