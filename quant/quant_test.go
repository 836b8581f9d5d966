package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"orthrus/gguf"
)

var supported = append([]gguf.Type{gguf.F32}, goldenTypes...)

func rowBytes(t testing.TB, typ gguf.Type, k int) int {
	t.Helper()
	n, err := typ.RowBytes(k)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func roundTrip(t testing.TB, typ gguf.Type, x []float32) []float32 {
	t.Helper()
	blocks := make([]byte, rowBytes(t, typ, len(x)))
	Quantize(typ, blocks, x)
	y := make([]float32, len(x))
	Dequantize(typ, y, blocks)
	return y
}

func TestSupported(t *testing.T) {
	for typ := range gguf.Type(1000) {
		if got, want := Supported(typ), slices.Contains(supported, typ); got != want {
			t.Errorf("Supported(%v) = %v", typ, got)
		}
	}
	if Supported(math.MaxUint32) {
		t.Error("Supported(math.MaxUint32) = true")
	}
}

func TestFallback(t *testing.T) {
	for _, c := range []struct {
		typ  gguf.Type
		k    int
		want gguf.Type
	}{
		{gguf.F32, 7, gguf.F32},
		{gguf.F16, 7, gguf.F16},
		{gguf.BF16, 7, gguf.BF16},
		{gguf.Q8_0, 64, gguf.Q8_0},
		{gguf.Q8_0, 48, gguf.F16},
		{gguf.Q4_0, 96, gguf.Q4_0},
		{gguf.Q4_0, 80, gguf.F16},
		{gguf.Q4_K, 512, gguf.Q4_K},
		{gguf.Q4_K, 320, gguf.Q8_0},
		{gguf.Q5_K, 320, gguf.Q8_0},
		{gguf.Q6_K, 320, gguf.Q8_0},
		{gguf.Q6_K, 300, gguf.F16},
	} {
		if got := Fallback(c.typ, c.k); got != c.want {
			t.Errorf("Fallback(%v, %d) = %v, want %v", c.typ, c.k, got, c.want)
		}
	}
}

func TestMisuse(t *testing.T) {
	for name, f := range map[string]func(){
		"unsupported type":  func() { Quantize(gguf.Q5_0, make([]byte, 22), make([]float32, 32)) },
		"unknown type":      func() { Fallback(99, 32) },
		"half a block":      func() { Quantize(gguf.Q8_0, make([]byte, 17), make([]float32, 16)) },
		"too many values":   func() { Quantize(gguf.Q8_0, make([]byte, 34), make([]float32, 64)) },
		"too few bytes":     func() { Dequantize(gguf.Q4_K, make([]float32, 256), make([]byte, 143)) },
		"too little values": func() { Dequantize(gguf.Q4_K, nil, make([]byte, 144)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// What a block cannot hold is cut to what it can; a NaN is 0; neither spoils its neighbours.
func TestNonFinite(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, typ := range []gguf.Type{gguf.Q8_0, gguf.Q4_0, gguf.Q4_K, gguf.Q5_K, gguf.Q6_K} {
		elems, _ := typ.Block()
		for _, c := range [][]float32{{nan}, {inf}, {-inf}, {inf, -inf, nan, math.MaxFloat32, -math.MaxFloat32}} {
			x := make([]float32, elems)
			copy(x, c)
			y := roundTrip(t, typ, x)
			largest := maxAbs(y)
			for i, v := range y {
				switch {
				case v-v != 0:
					t.Fatalf("%v of %v: value %d is %g", typ, c, i, v)
				case x[i] == x[i] && x[i] != 0 && !(v*x[i] > 0 && max(v, -v) >= 0.8*largest):
					t.Errorf("%v of %v: value %d is %g", typ, c, i, v)
				case (x[i] != x[i] || x[i] == 0) && !(max(v, -v) <= largest/8):
					t.Errorf("%v of %v: value %d is %g, the largest %g", typ, c, i, v, largest)
				}
			}
		}
		x := make([]float32, elems)
		for i := range x {
			x[i] = float32(i % 9)
		}
		want := roundTrip(t, typ, x)
		x[9], x[18] = nan, nan // 0 before
		if got := roundTrip(t, typ, x); !slices.Equal(got, want) {
			t.Errorf("%v: a NaN is not as good as 0", typ)
		}
	}
	for _, typ := range []gguf.Type{gguf.F32, gguf.F16, gguf.BF16} {
		if y := roundTrip(t, typ, []float32{inf, -inf, nan}); y[0] != inf || y[1] != -inf || y[2] == y[2] {
			t.Errorf("%v of +Inf, -Inf, NaN is %v", typ, y)
		}
	}
}

// Blocks at the edges of a format: all zero, one value, one sign, steps that are subnormal in float16 or below.
func TestEdgeBlocks(t *testing.T) {
	fills := map[string]func(i int) float32{
		"zero":         func(int) float32 { return 0 },
		"negative 0":   func(int) float32 { return float32(math.Copysign(0, -1)) },
		"constant":     func(int) float32 { return 0.3 },
		"negative":     func(int) float32 { return -0.3 },
		"one value":    func(i int) float32 { return map[bool]float32{true: 3}[i == 37] },
		"one negative": func(i int) float32 { return map[bool]float32{true: -3}[i == 37] },
		"alternating":  func(i int) float32 { return float32(i&1*2 - 1) },
		"positive":     func(i int) float32 { return 1 + float32(i*29%64)/64 },
		"large":        func(i int) float32 { return float32(i*29%64-32) * 1e3 },
		"small":        func(i int) float32 { return float32(i*29%64-32) * 1e-6 },
		"tiny":         func(i int) float32 { return float32(i*29%64-32) * 1e-9 },
		"subnormal":    func(i int) float32 { return float32(i*29%64-32) * math.SmallestNonzeroFloat32 },
	}
	for name, fill := range fills {
		x := make([]float32, superBlock)
		for i := range x {
			x[i] = fill(i)
		}
		for _, typ := range supported {
			y := roundTrip(t, typ, x)
			if over := excess(typ, x, y); !(over <= 1) {
				t.Errorf("%v of %s: %.2f times the bound", typ, name, over)
			}
		}
	}
}

// excess returns the largest error of a group of values in terms of a bound for type typ: a share of the largest
// magnitude, plus what steps of float16's last bit, and bfloat16's, can do. The error is the largest of the
// group; in the k types, which may cut one value to fit the others better, it is the root mean square. There,
// twice the worst case of plain rounding leaves room for weights that differ.
func excess(typ gguf.Type, x, y []float32) (over float64) {
	group, share, steps := 1, 0.0, 0.0
	switch typ {
	case gguf.F16:
		share, steps = 0x1p-11, 0.5
	case gguf.BF16:
		share = 0x1p-8
	case gguf.Q8_0:
		group, share, steps = 32, 0.5/127+0x1p-11, 64
	case gguf.Q4_0:
		group, share, steps = 32, 1.0/8+0x1p-10, 4
	case gguf.Q4_K:
		group, share, steps = 256, 2.0/15, 63*15/2
	case gguf.Q5_K:
		group, share, steps = 256, 2.0/31, 63*31/2
	case gguf.Q6_K:
		group, share, steps = 256, 2.0/63, 128*32/2
	}
	for from := 0; from < len(x); from += group {
		a, b := x[from:][:group], y[from:][:group]
		e := math.Sqrt(squaredError(a, b) / superBlock)
		if group < superBlock {
			e = 0
			for i := range a {
				e = max(e, math.Abs(float64(a[i])-float64(b[i])))
			}
		}
		over = max(over, e/(share*float64(maxAbs(a))+steps*0x1p-24+0x1p-134))
	}
	return over
}

// Rows converted together, apart or at the same time are the same.
func TestRowsConcurrently(t *testing.T) {
	const rows, k = 16, 512
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, rows*k)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for _, typ := range supported {
		n := rowBytes(t, typ, k)
		whole, apart := make([]byte, rows*n), make([]byte, rows*n)
		Quantize(typ, whole, x)
		var wg sync.WaitGroup
		for row := range rows {
			wg.Go(func() { Quantize(typ, apart[row*n:][:n], x[row*k:][:k]) })
		}
		wg.Wait()
		if !slices.Equal(whole, apart) {
			t.Errorf("%v: rows converted apart differ", typ)
		}
	}
}

// Values that a format without a search can hold come back as they are.
func TestQuantizeIdempotent(t *testing.T) {
	g := readGolden(t)
	for _, typ := range []gguf.Type{gguf.F32, gguf.F16, gguf.BF16, gguf.Q8_0, gguf.Q4_0} {
		once := roundTrip(t, typ, g.input)
		if twice := roundTrip(t, typ, once); !slices.Equal(once, twice) {
			t.Errorf("%v: not idempotent", typ)
		}
	}
}

func TestScalesMins(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var scales, mins [8]byte
		for j := range scales {
			scales[j], mins[j] = byte(r.IntN(64)), byte(r.IntN(64))
		}
		p := packScalesMins(&scales, &mins)
		for j := range scales {
			if s, m := p.get(j); s != scales[j] || m != mins[j] {
				t.Fatalf("scale, min %d of %v, %v is %d, %d", j, scales, mins, s, m)
			}
		}
	}
}

func FuzzDequantize(f *testing.F) {
	f.Add([]byte{0xff, 0x7f, 0x01, 0x80})
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, typ := range supported {
			elems, size := typ.Block()
			src := data[:len(data)/size*size]
			dst := make([]float32, len(src)/size*elems)
			Dequantize(typ, dst, src)
		}
	})
}

func FuzzQuantize(f *testing.F) {
	bits := func(v ...float32) (b []byte) {
		for _, v := range v {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		return b
	}
	f.Add(bits(1, -2, 0.5))
	f.Add(bits(float32(math.NaN()), float32(math.Inf(1)), math.MaxFloat32, -1e-40))
	f.Fuzz(func(t *testing.T, data []byte) {
		x := make([]float32, superBlock)
		finite := true
		for i := range x {
			if len(data) >= 4 {
				x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[i*4%(len(data)&^3):]))
			}
			finite = finite && max(x[i], -x[i]) <= 65504
		}
		for _, typ := range supported {
			y := roundTrip(t, typ, x)
			if !finite {
				if elems, _ := typ.Block(); elems > 1 && !(maxAbs(y) <= math.MaxFloat32) {
					t.Errorf("%v: not finite: %v", typ, y)
				}
				continue
			}
			if over := excess(typ, x, y); !(over <= 1) {
				t.Errorf("%v: %.2f times the bound: %v from %v", typ, over, y, x)
			}
		}
	})
}

func BenchmarkQuantize(b *testing.B) {
	benchmarkFormats(b, func(typ gguf.Type, x []float32, blocks []byte) { Quantize(typ, blocks, x) })
}

func BenchmarkDequantize(b *testing.B) {
	benchmarkFormats(b, func(typ gguf.Type, x []float32, blocks []byte) { Dequantize(typ, x, blocks) })
}

func benchmarkFormats(b *testing.B, convert func(gguf.Type, []float32, []byte)) {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, 4096)
	for i := range x {
		x[i] = float32(r.NormFloat64() * 0.02)
	}
	for _, typ := range supported {
		b.Run(fmt.Sprint(typ), func(b *testing.B) {
			blocks := make([]byte, rowBytes(b, typ, len(x)))
			Quantize(typ, blocks, x)
			y := slices.Clone(x)
			for b.Loop() {
				convert(typ, y, blocks)
			}
			b.ReportMetric(float64(len(x))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
}
