package quant

import (
	"fmt"
	"os"
	"strings"
)

// active is the set of kernels in use.
var active, activeErr = choose(os.Getenv("ORTHRUS_CPU"))

// choose returns the kernels of that name, or the fastest ones if the name is empty or not available.
func choose(name string) (*kernels, error) {
	all := available()
	if name == "" {
		return all[0], nil
	}
	names := make([]string, len(all))
	for i, k := range all {
		if k.name == name {
			return k, nil
		}
		names[i] = k.name
	}
	return all[0], fmt.Errorf("ORTHRUS_CPU=%s is not available on this machine: use one of %s", name, strings.Join(names, ", "))
}

// CPU returns the name of the instruction set in use: the fastest that the machine has, unless the environment
// variable ORTHRUS_CPU names another. The error tells that ORTHRUS_CPU names none of this machine's.
func CPU() (name string, err error) { return active.name, activeErr }
