package convert

import (
	"testing"

	"orthrus/gguf"
)

// TestPlan compares plans with what Convert writes.
func TestPlan(t *testing.T) {
	for _, o := range []Options{{Type: "q4_k_m"}, {Type: "q6_k", DiffType: "q8_0"}, {Type: "q4_k_s"}} {
		f, _ := convertTo(t, demo, o)
		types, err := Plan(o.Type, o.DiffType, 12, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, tensor := range f.Tensors {
			if got := types(tensor.Name, tensor.Dims[0]); got != tensor.Type {
				t.Errorf("%+v: %s: planned %v, written %v", o, tensor.Name, got, tensor.Type)
			}
		}
		if got := types("output.weight", 256); got != gguf.F32 {
			t.Errorf("a tied model has no output.weight, but it is planned as %v", got)
		}
	}
	if types, err := Plan("q4_k_m", "", 2, false); err != nil || types("output.weight", 256) != gguf.Q6_K || types("token_embd.weight", 256) != gguf.Q4_K {
		t.Errorf("untied: %v", err)
	}
	if _, err := Plan("q3", "", 1, true); err == nil {
		t.Error("type q3 is accepted")
	}
	if _, err := Plan("q4_0", "q3", 1, true); err == nil {
		t.Error("diffusion type q3 is accepted")
	}
}
