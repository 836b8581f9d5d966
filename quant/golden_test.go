package quant

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"orthrus/gguf"
)

// testdata/ggml_quants.safetensors holds 8 rows of 1,024 values, and for every type their blocks and
// dequantized values by ggml's reference quantizers of 2026-08-21 without an importance matrix. Rows: 0 N(0, .02);
// 1 N(0, 1); 2 N(0, .02) with x40 outliers; 3 zeros; 4 constant .125; 5 U(-3e-4, 3e-4); 6 |N(0, .05)|;
// 7 -|N(0, 5)| with +100 spikes.
type goldenData struct {
	input  []float32
	blocks map[gguf.Type][]byte
	values map[gguf.Type][]float32
}

const goldenRows, goldenCols = 8, 1024

var goldenTypes = []gguf.Type{gguf.F16, gguf.BF16, gguf.Q8_0, gguf.Q4_0, gguf.Q4_K, gguf.Q5_K, gguf.Q6_K}

func readGolden(t testing.TB) goldenData {
	t.Helper()
	b, err := os.ReadFile("testdata/ggml_quants.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	var header map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	tensor := func(name string) []byte {
		e, ok := header[name]
		if !ok {
			t.Fatalf("no tensor %s", name)
		}
		return b[8+n:][e.Offsets[0]:e.Offsets[1]]
	}
	floats := func(name string) []float32 {
		raw := tensor(name)
		f := make([]float32, len(raw)/4)
		for i := range f {
			f[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		return f
	}
	g := goldenData{floats("input"), map[gguf.Type][]byte{}, map[gguf.Type][]float32{}}
	for _, typ := range goldenTypes {
		name := strings.Replace(typ.String(), "_k", "_K", 1)
		g.blocks[typ] = tensor(name + ".blocks")
		g.values[typ] = floats(name + ".dequantized")
	}
	return g
}

func TestDequantizeGolden(t *testing.T) {
	g := readGolden(t)
	for _, typ := range goldenTypes {
		got := make([]float32, goldenRows*goldenCols)
		Dequantize(typ, got, g.blocks[typ])
		for i, want := range g.values[typ] {
			if math.Float32bits(got[i]) != math.Float32bits(want) {
				t.Errorf("%v: row %d, value %d is %g, want %g", typ, i/goldenCols, i%goldenCols, got[i], want)
				break
			}
		}
	}
}

// The formats without a search have the bytes of ggml's reference.
func TestQuantizeGolden(t *testing.T) {
	g := readGolden(t)
	for _, typ := range []gguf.Type{gguf.F16, gguf.BF16, gguf.Q8_0, gguf.Q4_0} {
		want := g.blocks[typ]
		got := make([]byte, len(want))
		Quantize(typ, got, g.input)
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%v: row %d, byte %d is %#02x, want %#02x", typ, i/(len(want)/goldenRows), i%(len(want)/goldenRows), got[i], want[i])
				break
			}
		}
	}
}
