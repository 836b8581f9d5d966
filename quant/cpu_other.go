//go:build !amd64 && !arm64

package quant

// available returns the kernels that this machine can run, fastest first.
func available() []*kernels { return []*kernels{&portable} }
