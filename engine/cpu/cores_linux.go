package cpu

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func performanceCores() int {
	var mask unix.CPUSet
	if unix.SchedGetaffinity(0, &mask) != nil {
		return 0
	}
	return linuxCores(os.DirFS("/sys/devices"), mask.IsSet)
}

// linuxCores counts the performance cores with a processor that this process may use, in the tree of /sys/devices. It
// returns 0 if the tree does not tell.
//
// Processors with the same core_cpus_list (before Linux 5.3, thread_siblings_list) are one core. On Intel's hybrids
// cpu_core/cpus lists the performance cores. Elsewhere a core that is less than half as fast as the fastest is left out:
// by cpu_capacity, or else by its highest frequency. A core a little slower is worth having, as pieces of
// work go to whoever is free.
func linuxCores(devices fs.FS, allowed func(cpu int) bool) int {
	read := func(format string, args ...any) string {
		data, _ := fs.ReadFile(devices, fmt.Sprintf(format, args...))
		return strings.TrimSpace(string(data))
	}
	fast := cpuList(read("cpu_core/cpus"))
	speed := map[string]int{} // of a core, by its list of processors
	most := 0
	for _, cpu := range cpuList(read("system/cpu/online")) {
		core := read("system/cpu/cpu%d/topology/core_cpus_list", cpu)
		if core == "" {
			core = read("system/cpu/cpu%d/topology/thread_siblings_list", cpu)
		}
		if core == "" || !allowed(cpu) || len(fast) > 0 && !slices.Contains(fast, cpu) {
			continue
		}
		s, err := strconv.Atoi(read("system/cpu/cpu%d/cpu_capacity", cpu))
		if err != nil {
			s, _ = strconv.Atoi(read("system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu))
		}
		speed[core] = s
		most = max(most, s)
	}
	cores := 0
	for _, s := range speed {
		if 2*s >= most {
			cores++
		}
	}
	return cores
}

// cpuList reads a list such as "0-3,8,10-11". What it cannot read it leaves out.
func cpuList(s string) (cpus []int) {
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		if err != nil {
			continue
		}
		to := from
		if isRange {
			if to, err = strconv.Atoi(last); err != nil {
				continue
			}
		}
		for cpu := from; cpu <= min(to, from+1<<16); cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}
