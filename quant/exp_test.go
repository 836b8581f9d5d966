package quant

import (
	"math"
	"testing"
)

// ulps returns the distance of got from the exact value in units of the last place of the latter.
func ulps(got float32, want float64) float64 {
	_, e := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(e-24, -149))
}

func TestExp(t *testing.T) {
	worst := 0.0
	for b := uint32(0); b < 0x42d00000; b += 97 { // up to 104
		for _, x := range []float32{math.Float32frombits(b), -math.Float32frombits(b)} {
			want := math.Exp(float64(x))
			if want > 0x1.ffffffp127 {
				if got := Exp(x); !math.IsInf(float64(got), 1) {
					t.Fatalf("Exp(%g) = %g, want +Inf", x, got)
				}
				continue
			}
			worst = max(worst, ulps(Exp(x), want))
		}
	}
	t.Logf("largest error %.3f ulp", worst)
	if worst >= 1 {
		t.Errorf("largest error %.3f ulp", worst)
	}
	inf := float32(math.Inf(1))
	for _, c := range []struct{ x, want float32 }{
		{0, 1}, {inf, inf}, {-inf, 0}, {88.72284, inf}, {1000, inf}, {-103.972084, 0}, {-104, 0}, {-1e30, 0},
		{-103.97207, math.SmallestNonzeroFloat32}, {-103.27893, math.SmallestNonzeroFloat32},
	} {
		if got := Exp(c.x); got != c.want {
			t.Errorf("Exp(%g) = %g, want %g", c.x, got, c.want)
		}
	}
	if got := Exp(88.72283); math.IsInf(float64(got), 1) {
		t.Errorf("Exp(88.72283) = %g", got)
	}
	if got := Exp(float32(math.NaN())); got == got {
		t.Errorf("Exp(NaN) = %g", got)
	}
}
