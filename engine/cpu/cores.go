package cpu

import (
	"encoding/binary"
	"runtime"
)

// Threads is the number of threads that fits this machine: one for every physical core, of the fast ones where a
// processor has several kinds, and no more than Go may use, which respects the process's affinity and the CPU quota of
// its control group.
func Threads() int {
	most := runtime.GOMAXPROCS(0)
	if cores := performanceCores(); cores > 0 {
		return min(cores, most)
	}
	return most
}

// windowsCores counts the cores of the highest efficiency class, which is the fastest, in what Windows'
// GetLogicalProcessorInformationEx gives for RelationProcessorCore: records of a kind (uint32), their size (uint32), and
// a PROCESSOR_RELATIONSHIP, which begins with a byte of flags and one of the class.
func windowsCores(info []byte) int {
	cores, highest := 0, byte(0)
	for len(info) >= 10 {
		kind, size := binary.LittleEndian.Uint32(info), int64(binary.LittleEndian.Uint32(info[4:]))
		if size < 10 || size > int64(len(info)) {
			break
		}
		if class := info[9]; kind == 0 {
			if class > highest {
				cores, highest = 0, class
			}
			if class == highest {
				cores++
			}
		}
		info = info[size:]
	}
	return cores
}
