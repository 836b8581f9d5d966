//go:build !linux && !darwin && !windows

package cpu

// performanceCores is not known here.
func performanceCores() int { return 0 }
