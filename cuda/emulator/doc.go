// Package emulator loads the CUDA kernels of package cuda into an emulator, for tests (build tag emulator, Linux). cuda.h
// has the names of CUDA C++ that the kernels use.
package emulator
