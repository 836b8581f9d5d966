package quant

import (
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	all := available()
	if k, err := choose(""); k.name != all[0].name || err != nil {
		t.Errorf("without a name: %s, %v; want %s", k.name, err, all[0].name)
	}
	for _, want := range all {
		if k, err := choose(want.name); k.name != want.name || err != nil {
			t.Errorf("%s: %s, %v", want.name, k.name, err)
		}
	}
	k, err := choose("mmx")
	if k.name != all[0].name || err == nil || !strings.Contains(err.Error(), "portable") || strings.Contains(err.Error(), "\n") {
		t.Errorf("mmx: %s, %v; want %s and one line that names what there is", k.name, err, all[0].name)
	}
	if name, err := CPU(); name != active.name || err != nil {
		t.Errorf("CPU() = %s, %v; want %s", name, err, active.name)
	}
}
