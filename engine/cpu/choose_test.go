package cpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"orthrus/engine"
)

// TestFilter holds the filters against a plain sort, cut by cut.
func TestFilter(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var f filter
	for round := range 500 {
		logits := make([]float32, 1+rnd.IntN(200))
		for i := range logits {
			logits[i] = float32(rnd.IntN(40)) / 4 // many are equal
		}
		s := engine.Sampling{Temp: 0.3 + rnd.Float64(), TopK: rnd.IntN(30), TopP: rnd.Float64(), MinP: rnd.Float64() / 5}
		f.apply(logits, s)
		var got []int32
		for _, c := range f.set {
			got = append(got, c.id)
		}
		if want := naive(logits, s); !slices.Equal(got, want) {
			t.Fatalf("round %d, %+v: %v, want %v", round, s, got, want)
		}
		var sum float64
		row := slices.Clone(logits)
		f.probabilities(row)
		for _, p := range row {
			sum += float64(p)
		}
		if math.Abs(sum-1) > 1e-5 {
			t.Fatalf("round %d: probabilities add up to %g", round, sum)
		}
	}
}

func naive(logits []float32, s engine.Sampling) []int32 {
	ids := make([]int32, len(logits))
	for i := range ids {
		ids[i] = int32(i)
	}
	slices.SortStableFunc(ids, func(a, b int32) int { return int(4 * (logits[b] - logits[a])) })
	if s.TopK > 0 {
		ids = ids[:min(s.TopK, len(ids))]
	}
	weight := func(id int32) float64 { return math.Exp(float64(logits[id]-logits[ids[0]]) / s.Temp) }
	var sum, part float64
	for _, id := range ids {
		sum += weight(id)
	}
	var kept []int32
	for _, id := range ids {
		if weight(id) >= s.MinP {
			kept = append(kept, id)
		}
		if part += weight(id); s.TopP > 0 && part >= s.TopP*sum {
			break
		}
	}
	return kept
}
