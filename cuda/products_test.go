//go:build (emulator && linux) || gpu

package cuda

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"orthrus/gguf"
	"orthrus/quant"
)

var weightTypes = []gguf.Type{gguf.Q8_0, gguf.Q4_0, gguf.Q4_K, gguf.Q5_K, gguf.Q6_K, gguf.F32, gguf.F16, gguf.BF16}

// randomWeights gives rows of any bytes, whose scales are finite numbers of ordinary size, or of floats.
func randomWeights(rng *rand.Rand, t gguf.Type, rows, cols int) []byte {
	size, _ := t.RowBytes(cols)
	w := make([]byte, rows*size)
	if quant.FormOf(t) == quant.FormFloat {
		quant.Quantize(t, w, randomRows(rng, rows, cols))
		return w
	}
	for i := range w {
		w[i] = byte(rng.Uint32())
	}
	scales := map[gguf.Type][]int{gguf.Q8_0: {0}, gguf.Q4_0: {0}, gguf.Q4_K: {0, 2}, gguf.Q5_K: {0, 2}, gguf.Q6_K: {208}}[t] // halves
	_, block := t.Block()
	for b := 0; b < len(w); b += block {
		for _, at := range scales {
			binary.LittleEndian.PutUint16(w[b+at:], quant.F32ToF16(2*rng.Float32()-1))
		}
	}
	return w
}

// randomRows gives activations, a fifth of the rows all zeros.
func randomRows(rng *rand.Rand, rows, cols int) []float32 {
	x := make([]float32, rows*cols)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
		if i/cols%5 == 3 {
			x[i] = 0
		}
	}
	return x
}

func upload(t testing.TB, d device, typ gguf.Type, src []byte, rows, cols int) *weight {
	packed := make([]byte, packedBytes(typ, rows, cols))
	packTiles(packed, typ, src, rows, cols, 0, tiles(rows))
	return &weight{typ, rows, cols, put(t, d, packed)}
}

// check holds n rows of results equal to quant.MatMul's.
func check(t *testing.T, name string, got, before []float32, typ gguf.Type, w []byte, rows, cols int, x []float32, n int, add bool) {
	t.Helper()
	var a quant.Act
	a.Reset(typ, n, cols)
	for i := range n {
		a.Set(i, x[i*cols:][:cols])
	}
	want := append([]float32(nil), before...)
	quant.MatMul(want, rows, typ, w, cols, 0, rows, &a, add)
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: %v %d x %d, %d rows: row %d, output %d is %g, want %g", name, typ, rows, cols, n, i/rows, i%rows, got[i], want[i])
		}
	}
}

func TestProducts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, typ := range weightTypes {
		elems, _ := typ.Block()
		sizes := []struct{ rows, cols int }{{1, elems}, {16, 512}, {37, 1280}, {100, 256 + elems}}
		if elems == 1 {
			sizes = append(sizes, struct{ rows, cols int }{5, 77})
		}
		for _, size := range sizes {
			w := randomWeights(rng, typ, size.rows, size.cols)
			for _, n := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17, 31, 32, 33, 64, 65, 130} {
				d := testDevice(t)
				x := randomRows(rng, n, size.cols)
				in := input{floats: matrix{put(t, d, x), n, size.cols}}
				if form := quant.FormOf(typ); form != quant.FormFloat {
					in.acts = acts{form, room[byte](t, d, int(actBytes(form, n, size.cols))), n, size.cols}
					if err := quantize(d, in.acts, in.floats); err != nil {
						t.Fatal(err)
					}
				}
				before := randomRows(rng, n, size.rows)
				dst := matrix{put(t, d, before), n, size.rows}
				add := n%2 == 0
				if err := products(d, in, add, []product{{upload(t, d, typ, w, size.rows, size.cols), dst}}); err != nil {
					t.Fatal(err)
				}
				check(t, fmt.Sprint("add ", add), get[float32](t, d, dst.at, n*size.rows), before, typ, w, size.rows, size.cols, x, n, add)
			}
		}
	}
}

// listed are products of one input by weights of several types.
type listed struct {
	types []gguf.Type
	rows  []int
	cols  int
}

var lists = []listed{
	{[]gguf.Type{gguf.Q4_K, gguf.Q6_K, gguf.Q5_K, gguf.Q4_K}, []int{200, 70, 33, 16}, 2560},
	{[]gguf.Type{gguf.Q8_0, gguf.Q4_0, gguf.Q8_0}, []int{33, 150, 130}, 1056},
	{[]gguf.Type{gguf.F32, gguf.BF16, gguf.F16}, []int{33, 150, 5}, 330},
}

// checkList multiplies n rows by do and holds the results equal to quant's.
func (l listed) check(t *testing.T, name string, n int, do func(d device, in input, list []product) error) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 8))
	d := testDevice(t)
	x := randomRows(rng, n, l.cols)
	in := input{floats: matrix{put(t, d, x), n, l.cols}}
	if form := quant.FormOf(l.types[0]); form != quant.FormFloat {
		in.acts = acts{form, room[byte](t, d, int(actBytes(form, n, l.cols))), n, l.cols}
		if err := quantize(d, in.acts, in.floats); err != nil {
			t.Fatal(err)
		}
	}
	var list []product
	var weights [][]byte
	for i, typ := range l.types {
		weights = append(weights, randomWeights(rng, typ, l.rows[i], l.cols))
		list = append(list, product{upload(t, d, typ, weights[i], l.rows[i], l.cols), matrix{room[float32](t, d, n*l.rows[i]), n, l.rows[i]}})
	}
	if err := do(d, in, list); err != nil {
		t.Fatal(name, err)
	}
	for i, p := range list {
		got := get[float32](t, d, p.dst.at, n*l.rows[i])
		check(t, name, got, make([]float32, len(got)), l.types[i], weights[i], l.rows[i], l.cols, x, n, false)
	}
}

func TestProductLists(t *testing.T) {
	for _, l := range lists {
		for _, n := range []int{1, 8, 20, 40, 70} {
			l.check(t, "list", n, func(d device, in input, list []product) error { return products(d, in, false, list) })
		}
	}
}

// TestFewShapes divides products in other ways than fewShapeOf does.
func TestFewShapes(t *testing.T) {
	for _, l := range lists[:2] {
		for _, n := range []int{1, 13, 30} {
			for _, warps := range []int{2, 3, 4, 8, 16} {
				tiles, passes := fewColumns(n)
				s := fewShape{warps, 2, tiles == 1 && warps == 8 && quant.FormOf(l.types[0]) == quant.Form256}
				if passes*warps > 16 {
					continue
				}
				l.check(t, fmt.Sprintf("%+v", s), n, func(d device, in input, list []product) error { return fewProducts(d, in.acts, false, list, s) })
			}
		}
	}
}

// TestPromptWarps has products of many rows by blocks of all sizes.
func TestPromptWarps(t *testing.T) {
	for _, l := range lists[:2] {
		for _, warps := range []int{2, 4, 8} {
			l.check(t, fmt.Sprint(warps, " warps"), 150, func(d device, in input, list []product) error {
				return manyProducts(d, in.acts, false, list, warps)
			})
		}
	}
}

func TestEmbed(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, typ := range weightTypes {
		const rows, cols = 37, 768
		w := randomWeights(rng, typ, rows, cols)
		want := make([]float32, rows*cols)
		quant.Dequantize(typ, want, w)
		d := testDevice(t)
		tokens := make([]int32, rows)
		for i, v := range rng.Perm(rows) {
			tokens[i] = int32(v)
		}
		dst := matrix{room[float32](t, d, rows*cols), rows, cols}
		if err := embed(d, dst, upload(t, d, typ, w, rows, cols), put(t, d, tokens)); err != nil {
			t.Fatal(err)
		}
		for i, v := range get[float32](t, d, dst.at, rows*cols) {
			if k := int(tokens[i/cols])*cols + i%cols; math.Float32bits(v) != math.Float32bits(want[k]) {
				t.Fatalf("%v: row %d, value %d is %g, want %g", typ, tokens[i/cols], i%cols, v, want[k])
			}
		}
	}
}
