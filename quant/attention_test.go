package quant

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"orthrus/gguf"
)

var cacheTypes = []gguf.Type{gguf.F32, gguf.F16, gguf.Q8_0}

// cacheRows returns rows of a type, with their values.
func cacheRows(t *testing.T, r *rand.Rand, typ gguf.Type, rows, dim, kind int) (data []byte, values []float32) {
	data = make([]byte, rows*rowBytes(t, typ, dim))
	Quantize(typ, data, floats(r, rows*dim, kind))
	values = make([]float32, rows*dim)
	Dequantize(typ, values, data)
	return data, values
}

// dims returns lengths of rows that a type has.
func dims(typ gguf.Type) []int {
	if typ == gguf.Q8_0 {
		return []int{32, 128, 96, 256}
	}
	return []int{16, 128, 80, 7, 32, 300}
}

// withSentinel returns a copy of x with a value behind it that nothing may write.
func withSentinel(x []float32) []float32 { return append(slices.Clone(x), 7) }

func compare(t *testing.T, got, want []float32) {
	t.Helper()
	for i := range want {
		if !sameBits(got[i], want[i]) {
			t.Fatalf("[%d] = %x, want %x", i, got[i], want[i])
		}
	}
}

func TestKeyDots(t *testing.T) {
	for _, kern := range available() {
		use(t, kern)
		r := rand.New(rand.NewPCG(8, 2))
		for _, typ := range cacheTypes {
			for _, dim := range dims(typ) {
				for n := range 15 {
					count := KeyBlock * r.IntN(4)
					rows, values := cacheRows(t, r, typ, count, dim, n%2)
					size := rowBytes(t, typ, dim)
					keys := make([]byte, len(rows))
					for j := range count {
						PutKey(typ, keys, j, rows[j*size:][:size])
					}
					for j := range count {
						row := make([]byte, size)
						Key(typ, keys, j, row)
						if !slices.Equal(row, rows[j*size:][:size]) {
							t.Fatalf("%v: Key(%d) is not what was put", typ, j)
						}
					}
					q := floats(r, n*dim, n%2)
					stride := count + r.IntN(3)
					got := withSentinel(floats(r, n*stride, 0))
					want := slices.Clone(got)
					KeyDots(got[:n*stride], stride, typ, keys, q, dim, n)
					for i := range n {
						for j := range count {
							var acc float32
							for d := range dim {
								acc = FMA(q[i*dim+d], values[j*dim+d], acc)
							}
							want[i*stride+j] = acc
						}
					}
					compare(t, got, want)
				}
			}
		}
	}
}

func TestSoftmax(t *testing.T) {
	for _, kern := range available() {
		use(t, kern)
		r := rand.New(rand.NewPCG(8, 3))
		for n := range 100 {
			x := withSentinel(floats(r, n, 0))
			for i := n - n%7; i < n; i++ {
				x[i] = float32(math.Inf(-1)) // what a row does not see
			}
			scale := r.Float32() * 10
			want := slices.Clone(x)
			wantPeak := float32(math.Inf(-1))
			for _, v := range x[:n] {
				wantPeak = max(wantPeak, v*scale)
			}
			var l lanes
			for i, v := range x[:n] {
				want[i] = Exp(float32(v*scale) - wantPeak)
				l[i%16] += want[i]
			}
			peak, sum := Softmax(x[:n], scale)
			compare(t, x, want)
			compare(t, []float32{peak, sum}, []float32{wantPeak, l.sum()})
		}
		x := floats(r, 64, 0)
		x[20] = float32(math.NaN())
		if _, sum := Softmax(x, 1); sum == sum {
			t.Errorf("%s: a NaN gives a sum of %g", kern.name, sum)
		}
	}
}

func TestAXPYRows(t *testing.T) {
	for _, kern := range available() {
		use(t, kern)
		r := rand.New(rand.NewPCG(8, 1))
		for _, typ := range cacheTypes {
			for _, width := range dims(typ) {
				for n := range 15 {
					rows, kind := r.IntN(20), n%2
					data, values := cacheRows(t, r, typ, rows, width, kind)
					size := rowBytes(t, typ, width)
					vStride, pStride := size+34*r.IntN(2), rows+r.IntN(3)
					v := make([]byte, rows*vStride)
					for j := range rows {
						copy(v[j*vStride:], data[j*size:][:size])
					}
					p := floats(r, n*pStride, kind)
					got := withSentinel(floats(r, n*width, kind))
					want := slices.Clone(got)
					AXPYRows(got[:n*width], p, pStride, n, typ, v, vStride, rows, width)
					for i := range n {
						for j := range rows {
							for c := range width {
								want[i*width+c] = FMA(p[i*pStride+j], values[j*width+c], want[i*width+c])
							}
						}
					}
					compare(t, got, want)
				}
			}
		}
	}
}

func TestScaleAXPY(t *testing.T) {
	for _, kern := range available() {
		use(t, kern)
		r := rand.New(rand.NewPCG(8, 4))
		for n := range 100 {
			x, y := floats(r, n, n%3), withSentinel(floats(r, n, n%3))
			scale, a := r.Float32(), r.Float32()
			want := slices.Clone(y)
			for i := range n {
				want[i] = FMA(a, x[i], float32(y[i]*scale))
			}
			ScaleAXPY(y[:n], scale, a, x)
			compare(t, y, want)
		}
	}
}

func TestAttentionPanics(t *testing.T) {
	x := make([]float32, 4096)
	keys := make([]byte, 64*2*16)
	for i, f := range []func(){
		func() { KeyDots(x, 64, gguf.F16, keys[2:], x, 16, 1) },
		func() { KeyDots(x, 64, gguf.F16, keys[:len(keys)/2], x, 16, 1) },
		func() { KeyDots(x, 63, gguf.F16, keys, x, 16, 1) },
		func() { KeyDots(x[:127], 64, gguf.F16, keys, x, 16, 2) },
		func() { KeyDots(x, 64, gguf.F16, keys, x[:31], 16, 2) },
		func() { KeyDots(x, 64, gguf.Q4_0, keys, x, 32, 1) },
		func() { KeyDots(x, 64, gguf.Q8_0, keys, x, 16, 1) },
		func() { PutKey(gguf.BF16, keys, 0, keys[:32]) },
		func() { PutKey(gguf.F16, keys, 64, keys[:32]) },
		func() { AXPYRows(x[:47], x, 2, 3, gguf.F32, keys, 64, 2, 16) },
		func() { AXPYRows(x, x, 1, 2, gguf.F32, keys, 64, 2, 16) },
		func() { AXPYRows(x, x[:3], 2, 2, gguf.F32, keys, 64, 2, 16) },
		func() { AXPYRows(x, x, 2, 2, gguf.F32, keys[:127], 64, 2, 16) },
		func() { AXPYRows(x, x, 2, 2, gguf.F32, keys, 63, 2, 16) },
		func() { AXPYRows(x, x, 2, -1, gguf.F32, keys, 64, 2, 16) },
		func() { AXPYRows(x, x, 2, 1, gguf.BF16, keys, 64, 2, 16) },
		func() { ScaleAXPY(x, 1, 1, x[1:]) },
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
}

// BenchmarkAttention takes queries over 256 keys and values of 128, in L2, as attention takes a tile.
func BenchmarkAttention(b *testing.B) {
	const dim, count = 128, 256
	for _, typ := range cacheTypes {
		size, _ := typ.RowBytes(dim)
		data := make([]byte, count*size)
		for _, n := range []int{2, 16, 64} {
			q, dots := make([]float32, n*dim), make([]float32, n*count)
			name := fmt.Sprintf("%v/n=%d/", typ, n)
			run := func(part string, f func()) {
				b.Run(name+part, func(b *testing.B) {
					for b.Loop() {
						f()
					}
					ns := float64(b.Elapsed().Nanoseconds()) / float64(b.N)
					b.ReportMetric(float64(n*count*dim)/ns, "fma/ns")
					b.ReportMetric(float64(len(data))/ns, "GB/s")
				})
			}
			run("keys", func() { KeyDots(dots, count, typ, data, q, dim, n) })
			run("softmax", func() {
				for i := range n {
					Softmax(dots[i*count:][:count], 1)
				}
			})
			run("values", func() { AXPYRows(q, dots, count, n, typ, data, size, count, dim) })
		}
	}
}
