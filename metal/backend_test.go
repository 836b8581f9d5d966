//go:build (emulator && linux) || (gpu && darwin)

package metal

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"orthrus/convert"
	"orthrus/engine"
	"orthrus/engine/cpu"
	"orthrus/gguf"
)

// golden is one case of engine/testdata/demo_decode.json, made by the reference implementation in float32.
type golden struct {
	IDs       []int32 `json:"input_ids"`
	AR        []int32 `json:"ar_ids"`
	Diffusion []int32 `json:"diffusion_ids"`
	Accepted  []int   `json:"accepted"`
}

var goldens = sync.OnceValue(func() []golden {
	var file struct{ Cases []golden }
	data, err := os.ReadFile("../engine/testdata/demo_decode.json")
	if err == nil {
		err = json.Unmarshal(data, &file)
	}
	if err != nil {
		panic(err)
	}
	return file.Cases
})

var demoFiles sync.Map // of *gguf.File, by type

// demo converts the demo checkpoint to a type, once. The file stays mapped.
func demo(t testing.TB, typ string) *engine.Model {
	t.Helper()
	f, ok := demoFiles.Load(typ)
	if !ok {
		dir := t.TempDir()
		out := filepath.Join(dir, "demo.gguf")
		if _, err := convert.Convert(t.Context(), "../convert/testdata/orthrus-demo-18m",
			convert.Options{Out: out, Type: typ, View: "both"}); err != nil {
			t.Fatal(err)
		}
		file, err := gguf.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		f, _ = demoFiles.LoadOrStore(typ, file)
	}
	m, err := engine.Load(f.(*gguf.File))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// place puts a model on a backend over a device.
func place(t testing.TB, m *engine.Model, d device) *engine.Net {
	t.Helper()
	b := newBackend(d)
	t.Cleanup(func() { b.Close() })
	n, err := engine.Place(m, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func newDecoder(t testing.TB, n *engine.Net, o engine.DecoderOptions) *engine.Decoder {
	t.Helper()
	d, err := engine.NewDecoder(n, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// TestLogits holds the logits of both views against the CPU's, for every type of weights and of the cache. Where activations
// are rounded to int8, a difference of the last bit may become one of a whole step: so much differs on the CPU too when
// the epsilon of its norms is changed by 3e-9 (q8_0 0.54, q4_k_m 0.68).
func TestLogits(t *testing.T) {
	for i, typ := range []string{"f32", "f16", "bf16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_0"} {
		cache := []gguf.Type{gguf.F32, gguf.F16, gguf.Q8_0}[i%3]
		t.Run(fmt.Sprintf("%s %v", typ, cache), func(t *testing.T) {
			m := demo(t, typ)
			on := cpu.New(0)
			t.Cleanup(func() { on.Close() })
			reference, err := engine.Place(m, on, nil)
			if err != nil {
				t.Fatal(err)
			}
			o := engine.DecoderOptions{Context: 128, Cache: cache}
			device := modelDevice
			if typ == "q4_k_m" {
				device = testDevice
			}
			want, got := newDecoder(t, reference, o), newDecoder(t, place(t, m, device(t, 2)), o)
			prompt := goldens()[i].IDs[:20]
			for _, view := range []engine.View{engine.AR, engine.Diffusion} {
				at := 0
				if view == engine.Diffusion {
					at = 11
				}
				w, err := want.Eval(view, at, prompt[at:])
				if err != nil {
					t.Fatal(err)
				}
				g, err := got.Eval(view, at, prompt[at:])
				if err != nil {
					t.Fatal(err)
				}
				worst := 0.0
				for r := range w {
					for j := range w[r] {
						worst = math.Max(worst, math.Abs(float64(w[r][j]-g[r][j])))
					}
				}
				t.Logf("%v view: largest difference of a logit %.2g", view, worst)
				if tolerance := map[bool]float64{true: 2e-3, false: 1}[i < 3]; !(worst < tolerance) {
					t.Errorf("%v view: a logit differs by %g", view, worst)
				}
			}
		})
	}
}
