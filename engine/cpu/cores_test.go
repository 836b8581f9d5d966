package cpu

import (
	"encoding/binary"
	"runtime"
	"testing"
)

func TestThreads(t *testing.T) {
	if n, most := Threads(), runtime.GOMAXPROCS(0); n < 1 || n > most {
		t.Errorf("Threads() = %d, want 1 to %d", n, most)
	}
}

// processorCores returns what Windows gives for cores of these classes.
func processorCores(classes ...byte) (info []byte) {
	for _, class := range classes {
		record := make([]byte, 48) // with one GROUP_AFFINITY
		binary.LittleEndian.PutUint32(record[4:], uint32(len(record)))
		record[8] = 1 // hyper-threading
		record[9] = class
		info = append(info, record...)
	}
	return info
}

func TestWindowsCores(t *testing.T) {
	cut := processorCores(0, 0, 0)
	package0 := processorCores(0, 5)
	package0[48] = 3 // RelationProcessorPackage
	endless := processorCores(0, 0)
	binary.LittleEndian.PutUint32(endless[4:], 0)
	for _, c := range []struct {
		name string
		info []byte
		want int
	}{
		{"four alike", processorCores(0, 0, 0, 0), 4},
		{"2 fast, 4 slow", processorCores(1, 1, 0, 0, 0, 0), 2},
		{"slow ones first, three kinds", processorCores(0, 0, 1, 1, 1, 2, 2), 2},
		{"other records", package0, 1},
		{"cut off", cut[:2*48+20], 2},
		{"no size", endless, 0},
		{"nothing", nil, 0},
	} {
		if got := windowsCores(c.info); got != c.want {
			t.Errorf("%s: %d cores, want %d", c.name, got, c.want)
		}
	}
}
