//go:build (emulator && linux) || (gpu && darwin)

package metal

import (
	"fmt"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// place puts a model on a backend over a device.
func place(t testing.TB, m *engine.Model, d device) *engine.Net {
	t.Helper()
	return golden.Place(t, m, newBackend(d))
}

// TestGolden holds both modes against the reference's text.
func TestGolden(t *testing.T) {
	cases := golden.Cheapest(t, 8)
	if *thorough {
		cases = golden.Every(t, 1)
	}
	golden.Decode(t, place(t, golden.Model(t, "bf16"), modelDevice(t, 0)), cases, 0)
}

// TestLogits holds the logits of both views against the CPU's, for every type of weights and of the cache. Where activations
// are rounded to int8, a difference of the last bit may become one of a whole step: so much differs on the CPU too when
// the epsilon of its norms is changed by 3e-9 (q8_0 0.54, q4_k_m 0.68). The q8_0 cache
// beside bf16 rounds as well, to smaller effect (0.04); with an f32 cache bf16 is as near as f32.
func TestLogits(t *testing.T) {
	for i, typ := range golden.Types {
		cache := []gguf.Type{gguf.F32, gguf.F16, gguf.Q8_0}[i%3]
		t.Run(fmt.Sprintf("%s %v", typ, cache), func(t *testing.T) {
			device, limit := modelDevice, 1.0
			switch typ {
			case "f32", "f16":
				limit = 2e-3
			case "bf16":
				limit = 0.1
			case "q4_k_m":
				device = testDevice
			}
			golden.Logits(t, place(t, golden.Model(t, typ), device(t, 2)), cache, 20, limit)
		})
	}
	t.Run("bf16 f32", func(t *testing.T) {
		golden.Logits(t, place(t, golden.Model(t, "bf16"), modelDevice(t, 2)), gguf.F32, 20, 2e-3)
	})
}

// TestOneOutput holds draft-and-verify decoding against AR decoding, greedy and sampled.
func TestOneOutput(t *testing.T) {
	types, cases, tokens := []string{"q4_k_m", "q8_0"}, golden.Cheapest(t, 2), 5
	if *thorough {
		types, cases, tokens = golden.Types, golden.Every(t, 4), 40
	}
	for i, typ := range types {
		t.Run(typ, func(t *testing.T) {
			n := place(t, golden.Model(t, typ), modelDevice(t, uint64(i)))
			golden.OneOutput(t, []gguf.Type{gguf.F16, gguf.Q8_0}[i%2], cases, tokens, n)
		})
	}
}

// TestRows holds the logits of passes of many rows, bit by bit, against those of passes of one row.
func TestRows(t *testing.T) {
	kinds, rows, start := golden.Kinds[:2], []int{2, 5, 9, 17, 33}, 245 // so that they go on from one tile of attention to the next
	if *thorough {
		kinds, rows, start = golden.Kinds, golden.UpTo(65), 1010
	}
	for i, k := range kinds {
		t.Run(fmt.Sprint(k.Type, "/", k.Cache), func(t *testing.T) {
			golden.Rows(t, place(t, golden.Model(t, k.Type), modelDevice(t, uint64(i))), k.Cache, start, rows)
		})
	}
}
