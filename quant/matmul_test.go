package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"orthrus/gguf"
)

var productTypes = []gguf.Type{gguf.F32, gguf.F16, gguf.BF16, gguf.Q8_0, gguf.Q4_0, gguf.Q4_K, gguf.Q5_K, gguf.Q6_K}

// widths returns row widths for tests of type t: the smallest, odd numbers of blocks, several groups.
func widths(t gguf.Type) []int {
	switch FormOf(t) {
	case Form32:
		return []int{32, 96, 256, 288, 768 + 224, 1024, 1536}
	case Form256:
		return []int{256, 768, 1024, 1536, 2304}
	}
	return []int{1, 15, 16, 33, 250, 256, 700}
}

// randomWeights returns rows of k values of type t. Blocks are random bytes, with scales up to 1 unless wild.
func randomWeights(r *rand.Rand, t gguf.Type, rows, k int, wild bool) []byte {
	n, err := t.RowBytes(k)
	if err != nil {
		panic(err)
	}
	w := make([]byte, rows*n)
	if FormOf(t) == FormFloat && !wild {
		Quantize(t, w, floats(r, rows*k, 0))
		return w
	}
	for i := range w {
		w[i] = byte(r.Uint32())
	}
	if FormOf(t) == FormFloat || wild {
		return w
	}
	_, block := t.Block()
	for b := 0; b < len(w); b += block {
		for _, at := range scalesAt(t) {
			binary.LittleEndian.PutUint16(w[b+at:], F32ToF16(2*r.Float32()-1))
		}
	}
	return w
}

// scalesAt returns the offsets of the binary16 scales in a block.
func scalesAt(t gguf.Type) []int {
	switch t {
	case gguf.Q4_K, gguf.Q5_K:
		return []int{0, 2}
	case gguf.Q6_K:
		return []int{208}
	}
	return []int{0}
}

// activations returns n rows of k values in the form for type t, and the values.
func activations(r *rand.Rand, t gguf.Type, n, k, kind int) (*Act, [][]float32) {
	var a Act
	a.Reset(t, n, k)
	x := make([][]float32, n)
	for i := range x {
		x[i] = floats(r, k, kind)
		a.Set(i, x[i])
	}
	return &a, x
}

// weightLimit is the sum of the magnitudes that a weight is computed from, at most, with scales up to 1.
var weightLimit = map[gguf.Type]float64{gguf.Q8_0: 128, gguf.Q4_0: 8, gguf.Q4_K: 63*15 + 63, gguf.Q5_K: 63*31 + 63, gguf.Q6_K: 128 * 32}

// Products agree with the sum in float64 over dequantized weights and activations, but for the rounding of
// the chain: one unit of 2^-24 of the magnitudes for every step, and some for the products of scales and for
// Dequantize.
func TestMatMulValues(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	const rows, n = 7, 5
	for _, typ := range productTypes {
		for _, k := range widths(typ) {
			w := randomWeights(r, typ, rows, k, false)
			a, _ := activations(r, typ, n, k, 0)
			values := make([]float32, rows*k)
			Dequantize(typ, values, w)
			y := make([]float32, n*rows)
			MatMul(y, rows, typ, w, k, 0, rows, a, false)
			for i := range n {
				for row := range rows {
					var want, size float64
					for j, v := range values[row*k:][:k] {
						x, _ := a.value(i, j)
						want += float64(v) * x
						limit := weightLimit[typ]
						if limit == 0 {
							limit = math.Abs(float64(v))
						}
						size += limit * math.Abs(x)
					}
					if got := float64(y[i*rows+row]); math.Abs(got-want) > float64(k/16+8)*0x1p-24*size {
						t.Errorf("%v, k = %d: got %g, want %g (magnitudes add up to %g)", typ, k, got, want, size)
					}
				}
			}
		}
	}
}

// oneByOne returns the product of every weight row with every activation row, each computed alone by the
// portable kernels. It is the reference of the tests below.
func oneByOne(t gguf.Type, w []byte, rows, k int, x [][]float32) [][]float32 {
	n, _ := t.RowBytes(k)
	y := make([][]float32, len(x))
	var a Act
	a.Reset(t, 1, k)
	for i := range x {
		y[i] = make([]float32, rows)
		a.Set(0, x[i])
		for r := range rows {
			p := product{y: y[i][r:], stride: 1, t: t, w: w[r*n:][:n], rowBytes: n, to: 1, a: &a}
			portable.matmul(p)
		}
	}
	return y
}

// use makes k the kernels of exported functions until the end of the test.
func use(t testing.TB, k *kernels) {
	old := active
	active = k
	t.Cleanup(func() { active = old })
}

// The heart of the package: whatever stands beside a row, however the rows are divided, and whatever kernels
// compute it, a product has the same bits, and nothing else is written.
func TestOneOutput(t *testing.T) {
	for _, kern := range available() {
		t.Run(kern.name, func(t *testing.T) {
			use(t, kern)
			r := rand.New(rand.NewPCG(3, 1))
			for _, typ := range productTypes {
				for n := 1; n <= 33; n++ {
					ks := widths(typ)
					k := ks[n%len(ks)]
					rows := 1 + r.IntN(70)
					checkOneOutput(t, r, typ, rows, k, n, n%3)
				}
				for i, k := range widths(typ) { // one row has kernels of its own
					for kind := range 3 {
						checkOneOutput(t, r, typ, 1+r.IntN(9), k, 1, (i+kind)%3)
					}
				}
			}
		})
	}
}

func checkOneOutput(t *testing.T, r *rand.Rand, typ gguf.Type, rows, k, n, kind int) {
	t.Helper()
	w := randomWeights(r, typ, rows, k, kind == 2)
	a, x := activations(r, typ, n, k, kind)
	want := oneByOne(typ, w, rows, k, x)
	stride := rows + r.IntN(3)
	first := floats(r, n*stride, 0)
	for _, add := range []bool{false, true} {
		y := append([]float32{}, first...)
		from := r.IntN(rows)
		to := from + r.IntN(rows-from+1)
		end := to + r.IntN(rows-to+1)
		MatMul(y, stride, typ, w, k, to, end, a, add) // the later part first
		MatMul(y, stride, typ, w, k, from, to, a, add)
		for i := range n {
			for c := range stride {
				v := first[i*stride+c]
				if c >= from && c < end {
					if v += want[i][c]; !add {
						v = want[i][c]
					}
				}
				if got := y[i*stride+c]; !sameBits(got, v) {
					t.Fatalf("%v, %d rows of %d, [%d, %d) and [%d, %d), n = %d, kind %d, add %v: row %d for activation %d is %x, want %x",
						typ, rows, k, from, to, to, end, n, kind, add, c, i, got, v)
				}
			}
		}
	}
}

// Extreme integers: weights, scales and activations all at their limits.
func TestMatMulExtremes(t *testing.T) {
	for _, kern := range available() {
		use(t, kern)
		for _, typ := range productTypes[3:] {
			for _, fill := range []byte{0, 0xff, 0x80, 0x7f, 0x88, 0x77} {
				const k, rows, n = 1024, 17, 9
				size, _ := typ.RowBytes(k)
				w := make([]byte, rows*size)
				for i := range w {
					w[i] = fill
				}
				_, block := typ.Block()
				for b := 0; b < len(w); b += block {
					for _, at := range scalesAt(typ) {
						binary.LittleEndian.PutUint16(w[b+at:], 0x3c00) // 1
					}
				}
				x := make([][]float32, n)
				for i := range x {
					x[i] = make([]float32, k)
					for j := range x[i] {
						x[i][j] = float32(1 - (i>>(j%3))&1*2) // +1 and -1 in several patterns
					}
				}
				check := func(x [][]float32) {
					var a Act
					a.Reset(typ, len(x), k)
					for i := range x {
						a.Set(i, x[i])
					}
					want := oneByOne(typ, w, rows, k, x)
					y := make([]float32, len(x)*rows)
					MatMul(y, rows, typ, w, k, 0, rows, &a, false)
					for i := range y {
						if !sameBits(y[i], want[i/rows][i%rows]) {
							t.Fatalf("%s: %v of bytes %#x by %d rows: %g, want %g", kern.name, typ, fill, len(x), y[i], want[i/rows][i%rows])
						}
					}
				}
				check(x)
				for i := range x { // one row has kernels of its own
					check(x[i : i+1])
				}
			}
		}
	}
}

func FuzzMatMul(f *testing.F) {
	f.Add(uint64(1), uint8(0), uint8(17), uint8(3), uint8(9), uint8(2))
	f.Add(uint64(2), uint8(5), uint8(33), uint8(1), uint8(13), uint8(1))
	f.Fuzz(func(t *testing.T, seed uint64, typ, rows, width, n, kind uint8) {
		r := rand.New(rand.NewPCG(seed, 0))
		typed := productTypes[int(typ)%len(productTypes)]
		ks := widths(typed)
		for _, kern := range available() {
			use(t, kern)
			checkOneOutput(t, r, typed, 1+int(rows)%80, ks[int(width)%len(ks)], 1+int(n)%40, int(kind)%3)
		}
	})
}

func TestMatMulPanics(t *testing.T) {
	var a Act
	a.Reset(gguf.Q4_K, 2, 256)
	w := make([]byte, 3*bytesQ4K)
	y := make([]float32, 6)
	for i, f := range []func(){
		func() { MatMul(y, 3, gguf.Q4_K, w, 256, 0, 4, &a, false) },
		func() { MatMul(y, 3, gguf.Q4_K, w[:len(w)-1], 256, 0, 3, &a, false) },
		func() { MatMul(y, 3, gguf.Q8_0, w, 256, 0, 1, &a, false) },
		func() { MatMul(y, 3, gguf.Q4_K, w, 512, 0, 1, &a, false) },
		func() { MatMul(y, 3, gguf.Q4_K, w, 0, 0, 1, &a, false) },
		func() { MatMul(y, 3, gguf.Q4_K, w, 256, 2, 1, &a, false) },
		func() { MatMul(y, 3, gguf.Q4_K, w, 256, -1, 1, &a, false) },
		func() { MatMul(y, 2, gguf.Q4_K, w, 256, 0, 3, &a, false) },
		func() { MatMul(y, 1<<62, gguf.Q4_K, w, 256, 0, 3, &a, false) },
		func() { MatMul(y[:5], 3, gguf.Q4_K, w, 256, 0, 3, &a, false) },
		func() { MatMul(y, 3, gguf.Q2_K, w, 256, 0, 1, &a, false) },
		func() { a.Set(2, make([]float32, 256)) },
		func() { a.Set(0, make([]float32, 255)) },
		func() { new(Act).Reset(gguf.Q4_K, 1, 128) },
		func() { Dot(y, y[1:]) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("call %d did not panic", i)
				}
			}()
			f()
		}()
	}
	MatMul(nil, 4, gguf.Q4_K, w, 256, 0, 3, &Act{form: Form256, k: 256}, false) // no activations
	MatMul(nil, 0, gguf.Q4_K, nil, 256, 0, 0, &a, false)                        // no weights
}

// The hot loop allocates nothing.
func TestMatMulAllocates(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	for _, kern := range available() {
		use(t, kern)
		for _, typ := range productTypes {
			w := randomWeights(r, typ, 40, 512, false)
			a, x := activations(r, typ, 40, 512, 0)
			y := make([]float32, 1600)
			if n := testing.AllocsPerRun(5, func() {
				a.Set(3, x[3])
				MatMul(y, 40, typ, w, 512, 0, 40, a, false)
			}); n >= 1 {
				t.Errorf("%s: %v: %g allocations a call", kern.name, typ, n)
			}
		}
	}
}

func BenchmarkMatMul(b *testing.B) {
	// All processors take part (-cpu 1 for one). The matrices of one benchmark are 256 MiB together, beyond the
	// caches; each call takes the next one.
	const rows, k, memory = 6144, 2048, 256 << 20
	r := rand.New(rand.NewPCG(1, 1))
	for _, typ := range productTypes {
		size, _ := typ.RowBytes(k)
		size *= rows
		w := make([]byte, max(1, memory/size)*size)
		for i := 0; i < len(w); i += copy(w[i:], randomWeights(r, typ, 16, k, false)) {
		}
		for _, n := range []int{1, 2, 4, 8, 16, 32} {
			a, _ := activations(r, typ, n, k, 0)
			y := make([]float32, n*rows)
			b.Run(fmt.Sprintf("%v/n=%d", typ, n), func(b *testing.B) {
				at, threads := 0, runtime.GOMAXPROCS(0)
				for b.Loop() {
					var wg sync.WaitGroup
					for i := range threads {
						wg.Go(func() {
							MatMul(y, rows, typ, w[at:][:size], k, rows*i/threads, rows*(i+1)/threads, a, false)
						})
					}
					wg.Wait()
					at = (at + size) % len(w)
				}
				ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
				b.ReportMetric(float64(size)/ns, "GB/s")
				b.ReportMetric(2*float64(rows*k*n)/ns, "GOPS")
			})
		}
	}
}
