//go:build (emulator && linux) || gpu

package cuda

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"orthrus/quant"
)

// TestNormAndGate holds both against package quant, and the int8 form that they write beside against quantize.
func TestNormAndGate(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	d := testDevice(t)
	for _, cols := range []int{32, 96, 256, 1000, 2304, 9472} {
		const rows, eps = 5, 1e-6
		x, y, w := randomFloats(rnd, rows*cols), randomFloats(rnd, rows*cols), randomFloats(rnd, cols)
		ahead := span{put(t, d, make([]byte, 12345)), 12345}
		src, up, weights := matrix{put(t, d, x), rows, cols}, matrix{put(t, d, y), rows, cols}, put(t, d, w)
		for _, f := range []quant.Form{quant.Form32, quant.Form256} {
			if f == quant.Form256 && cols%256 != 0 || cols%32 != 0 {
				f = quant.FormFloat
			}
			for name, run := range map[string]func(dst matrix, q acts) error{
				"norm": func(dst matrix, q acts) error { return norm(d, dst, q, src, weights, eps, ahead) },
				"gate": func(dst matrix, q acts) error { return gate(d, dst, q, src, up, ahead) },
			} {
				newActs := func() acts {
					if f == quant.FormFloat {
						return acts{}
					}
					return acts{f, room[byte](t, d, int(actBytes(f, rows, cols))), rows, cols}
				}
				dst, q, want := matrix{room[float32](t, d, rows*cols), rows, cols}, newActs(), newActs()
				if err := run(dst, q); err != nil {
					t.Fatal(name, err)
				}
				got, row := get[float32](t, d, dst.at, rows*cols), make([]float32, cols)
				for i := range rows {
					if name == "norm" {
						quant.RMSNorm(row, x[i*cols:][:cols], w, eps)
					} else {
						quant.SiLUMul(row, x[i*cols:][:cols], y[i*cols:][:cols])
					}
					for j, v := range row {
						if d := math.Abs(float64(got[i*cols+j] - v)); d > 2e-6*math.Abs(float64(v)) {
							t.Fatalf("%s of %d: row %d, column %d: %g, want %g", name, cols, i, j, got[i*cols+j], v)
						}
					}
				}
				if f == quant.FormFloat {
					continue
				}
				if err := quantize(d, want, dst); err != nil {
					t.Fatal(err)
				}
				size := int(actBytes(f, rows, cols))
				if !bytes.Equal(get[byte](t, d, q.at, size), get[byte](t, d, want.at, size)) {
					t.Errorf("%s of %d: not what quantize makes of it", name, cols)
				}
			}
		}
	}
}

func randomFloats(rnd *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rnd.NormFloat64())
	}
	return x
}
