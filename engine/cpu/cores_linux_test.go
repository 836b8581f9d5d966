package cpu

import (
	"fmt"
	"slices"
	"testing"
	"testing/fstest"
)

// machine is a /sys/devices: processors by their core's list, each of a core with the given capacity or frequency.
type machine fstest.MapFS

func (m machine) set(path, text string) machine {
	m[path] = &fstest.MapFile{Data: []byte(text + "\n")}
	return m
}

// cpus adds processors from on, of which threads each are a core.
func (m machine) cpus(from, to, threads int, list, speed, value string) machine {
	for cpu := from; cpu < to; cpu++ {
		dir := fmt.Sprintf("system/cpu/cpu%d/", cpu)
		first := from + (cpu-from)/threads*threads
		siblings := fmt.Sprint(first)
		if threads > 1 {
			siblings = fmt.Sprintf("%d-%d", first, first+threads-1)
		}
		m.set(dir+"topology/"+list, siblings)
		if speed != "" {
			m.set(dir+speed, value)
		}
	}
	return m
}

func TestLinuxCores(t *testing.T) {
	const list, old = "core_cpus_list", "thread_siblings_list"
	const frequency = "cpufreq/cpuinfo_max_freq"
	all := func(int) bool { return true }
	for _, c := range []struct {
		name    string
		m       machine
		allowed func(int) bool
		want    int
	}{
		{"nothing", machine{}, all, 0},
		{"a virtual machine of 2", machine{}.set("system/cpu/online", "0-1").cpus(0, 2, 1, list, "", ""), all, 2},
		{"8 cores of 2 threads", machine{}.set("system/cpu/online", "0-15").cpus(0, 16, 2, list, frequency, "5000000"), all, 8},
		{"the same, before Linux 5.3", machine{}.set("system/cpu/online", "0-15").cpus(0, 16, 2, old, frequency, "5000000"), all, 8},
		{"half of it allowed", machine{}.set("system/cpu/online", "0-15").cpus(0, 16, 2, list, "", ""), func(cpu int) bool { return cpu < 7 }, 4},
		{"some offline", machine{}.set("system/cpu/online", "0-3,6").cpus(0, 16, 2, list, "", ""), all, 3},
		{"Intel's hybrid", machine{}.set("system/cpu/online", "0-19").set("cpu_core/cpus", "0-11").set("cpu_atom/cpus", "12-19").
			cpus(0, 12, 2, list, frequency, "4700000").cpus(12, 20, 1, list, frequency, "3500000"), all, 6},
		{"Apple's M1", machine{}.set("system/cpu/online", "0-7").
			cpus(0, 4, 1, list, "cpu_capacity", "459").cpus(4, 8, 1, list, "cpu_capacity", "1024"), all, 4},
		{"one prime, three big, four little", machine{}.set("system/cpu/online", "0-7").
			cpus(0, 4, 1, list, "cpu_capacity", "250").cpus(4, 7, 1, list, "cpu_capacity", "800").cpus(7, 8, 1, list, "cpu_capacity", "1024"), all, 4},
		{"only little ones allowed", machine{}.set("system/cpu/online", "0-7").
			cpus(0, 4, 1, list, "cpu_capacity", "459").cpus(4, 8, 1, list, "cpu_capacity", "1024"), func(cpu int) bool { return cpu < 3 }, 3},
		{"little ones by frequency", machine{}.set("system/cpu/online", "0-5").
			cpus(0, 4, 1, list, frequency, "1400000").cpus(4, 6, 1, list, frequency, "3000000"), all, 2},
	} {
		if got := linuxCores(fstest.MapFS(c.m), c.allowed); got != c.want {
			t.Errorf("%s: %d cores, want %d", c.name, got, c.want)
		}
	}
}

func TestCPUList(t *testing.T) {
	for text, want := range map[string][]int{
		"": nil, "3": {3}, "0-2,7,9-10": {0, 1, 2, 7, 9, 10}, "5-4": nil, "x,1,2-y": {1}, "-1": nil,
	} {
		if got := cpuList(text); !slices.Equal(got, want) {
			t.Errorf("cpuList(%q) = %v, want %v", text, got, want)
		}
	}
}
