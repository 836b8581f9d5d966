package cpu

import "golang.org/x/sys/unix"

// performanceCores counts the cores of the fastest kind: level 0.
func performanceCores() int {
	for _, name := range []string{"hw.perflevel0.physicalcpu", "hw.physicalcpu"} { // Intel's have no levels
		if n, err := unix.SysctlUint32(name); err == nil && n < 1<<16 {
			return int(n)
		}
	}
	return 0
}
