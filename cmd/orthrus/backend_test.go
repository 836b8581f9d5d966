package main

import (
	"strings"
	"testing"
)

func TestBackendFlag(t *testing.T) {
	for text, want := range map[string]backendFlag{
		"auto": {"auto", 0}, "CPU": {"cpu", 0}, "cuda": {"cuda", 0}, "cuda:0": {"cuda", 0}, "Cuda:3": {"cuda", 3},
	} {
		var f backendFlag
		if err := f.Set(text); err != nil || f != want {
			t.Errorf("-b %s is %+v, %v; want %+v", text, f, err, want)
		}
		var again backendFlag
		if err := again.Set(f.String()); err != nil || again != f {
			t.Errorf("-b %s, written as %q, is %+v", text, f.String(), again)
		}
	}
	for _, text := range []string{"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:256", "cuda:1:2", "cpu:0", "auto:0"} {
		if err := new(backendFlag).Set(text); err == nil {
			t.Errorf("-b %q is taken", text)
		}
	}
}

// TestDevices looks for the CPU, which every machine has, and for an error of one line where -b asks for a GPU that does
// not exist.
func TestDevices(t *testing.T) {
	if r := orthrus(t, "", "devices"); r.status != 0 || !strings.HasPrefix(r.out, "cpu ") {
		t.Errorf("%+v", r)
	}
	r := orthrus(t, "", "run", "-p", "x", "-b", "cuda:200")
	if r.status != statusFailure || r.out != "" || strings.Count(r.err, "\n") != 1 || !strings.Contains(r.err, "CUDA") && !strings.Contains(r.err, "cuda:200") {
		t.Errorf("%+v", r)
	}
}
