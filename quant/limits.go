package quant

import "runtime"

// Read reads p once and does nothing with it, to measure the memory's bandwidth.
func Read(p []byte) { active.read(p) }

// MultiplyAdds does n thousand rounds of independent int8 dot products in registers, by the instructions of the product
// kernels, and returns how many multiply-adds that were: to measure the peak of a core.
func MultiplyAdds(n int) int {
	if n <= 0 {
		return 0
	}
	return active.multiply(1000 * n)
}

func readPortable(p []byte) {
	var or byte
	for _, b := range p {
		or |= b
	}
	runtime.KeepAlive(or)
}

func multiplyPortable(rounds int) int {
	var x, y [group]int8
	var s int32
	for range rounds {
		s += dotInt8(x[:], y[:])
	}
	runtime.KeepAlive(s)
	return rounds * group
}
