package engine_test

import (
	"math"
	"testing"

	"orthrus/engine"
)

// TestYarn holds the frequencies against HuggingFace transformers' formula
// (_compute_yarn_parameters), evaluated in Python for what Qwen3 documents.
func TestYarn(t *testing.T) {
	yarn := engine.Yarn{Factor: 4, Original: 32768, BetaFast: 32, BetaSlow: 1, Attention: 1}
	got := yarn.Apply(engine.NewRope(1e6, 128))
	for i, want := range map[int]float64{0: 1, 1: 0.805842188, 20: 0.0133352143, 23: 0.00697830585, 24: 0.00537532149, 30: 0.00106436098, 39: 6.49039432e-05, 40: 4.44569853e-05, 50: 5.13381257e-06, 63: 3.1023444e-07} {
		if diff := math.Abs(float64(got.InvFreq[i])/want - 1); !(diff < 2e-7) {
			t.Errorf("frequency %d is %g, want %g", i, got.InvFreq[i], want)
		}
	}
	if want := float32(1.13862944); math.Abs(float64(got.Scale-want)) > 1e-7 {
		t.Errorf("scale %g, want %g", got.Scale, want)
	}
}
