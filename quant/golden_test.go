package quant

import (
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"math"
	"os"
	"slices"
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

// The k types choose their scales themselves: no row may have a squared error more than 1 % above ggml's, nor
// more than 2 % above it with the weights that ggml minimises.
func TestQuantizeErrorGolden(t *testing.T) {
	g := readGolden(t)
	for _, typ := range []gguf.Type{gguf.Q4_K, gguf.Q5_K, gguf.Q6_K} {
		blocks := make([]byte, len(g.blocks[typ]))
		Quantize(typ, blocks, g.input)
		values := make([]float32, len(g.input))
		Dequantize(typ, values, blocks)
		for row := range goldenRows {
			from, to := row*goldenCols, (row+1)*goldenCols
			x, ours, ggml := g.input[from:to], values[from:to], g.values[typ][from:to]
			if got, want := squaredError(x, ours), squaredError(x, ggml); !(got <= 1.01*want) {
				t.Errorf("%v: row %d has a squared error of %g, ggml's has %g", typ, row, got, want)
			}
			w := ggmlWeights(typ, x)
			if got, want := weightedError(x, ours, w), weightedError(x, ggml, w); !(got <= 1.02*want) {
				t.Errorf("%v: row %d has a weighted error of %g, ggml's has %g", typ, row, got, want)
			}
		}
	}
}

// ggmlWeights returns x^2 for q6_k and the root mean square of 32 values plus |x| for the others.
func ggmlWeights(typ gguf.Type, x []float32) []float64 {
	w := make([]float64, len(x))
	for from := 0; from < len(x); from += 32 {
		zeros := make([]float32, 32)
		rms := math.Sqrt(squaredError(x[from:][:32], zeros) / 32)
		for i, v := range x[from:][:32] {
			w[from+i] = rms + math.Abs(float64(v))
			if typ == gguf.Q6_K {
				w[from+i] = float64(v) * float64(v)
			}
		}
	}
	return w
}

func weightedError(x, y []float32, w []float64) (sum float64) {
	for i, v := range x {
		e := float64(v) - float64(y[i])
		sum += w[i] * e * e
	}
	return sum
}

func squaredError(x, y []float32) float64 {
	ones := slices.Repeat([]float64{1}, len(x))
	return weightedError(x, y, ones)
}

// No product may be fused with a sum, so that every machine writes the same blocks.
func TestQuantizeSameEverywhere(t *testing.T) {
	g := readGolden(t)
	for _, c := range []struct {
		typ  gguf.Type
		want uint64
	}{{gguf.Q4_K, 0x1c5ea07e97af9697}, {gguf.Q5_K, 0x2752433499953822}, {gguf.Q6_K, 0xe15b308c759f2694}} {
		blocks := make([]byte, len(g.blocks[c.typ]))
		Quantize(c.typ, blocks, g.input)
		h := fnv.New64a()
		h.Write(blocks)
		if got := h.Sum64(); got != c.want {
			t.Errorf("%v: the hash of the blocks is %#x, was %#x", c.typ, got, c.want)
		}
	}
}
