// Package cuda is the CUDA backend of package engine, for NVIDIA GPUs from Ampere on. The driver is opened when the
// program runs; without one the package builds and says so.
package cuda
