package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// attentionCase is a pass over a cache: 4 query heads share 2 kv heads.
type attentionCase struct {
	cache     gguf.Type
	pos, rows int
	block     bool // the rows have keys and values of their own
}

const (
	testHeads, testKVHeads, testDim = 4, 2, 64
)

// testContext opens a context whose cache holds the given keys and values, one row a position.
func testContext(t *testing.T, threads int, typ gguf.Type, k, v []float32, rows int) *context {
	t.Helper()
	b := New(threads)
	t.Cleanup(func() { b.Close() })
	width := testKVHeads * testDim
	opened, err := b.Open(engine.Geometry{
		Layers: 1, Heads: testHeads, KVHeads: testKVHeads, HeadDim: testDim, Context: len(k) / width, Rows: rows, Cache: typ,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := opened.(*context)
	for pos := range len(k) / width {
		for h := range testKVHeads {
			at := pos*width + h*testDim
			c.cache.store(0, h, pos, k[at:][:testDim], v[at:][:testDim])
		}
	}
	return c
}

// run attends with rows of q at a position. A block's own keys and values are those of its rows' positions.
func (a attentionCase) run(t *testing.T, c *context, pos int, q, k, v []float32) []float32 {
	t.Helper()
	width, kvWidth := testHeads*testDim, testKVHeads*testDim
	rows := len(q) / width
	r := &recorder{context: c}
	dst := &buffer{make([]float32, len(q)), rows, width}
	if a.block {
		own := func(x []float32) engine.Buffer { return &buffer{x[a.pos*kvWidth:][:a.rows*kvWidth], a.rows, kvWidth} }
		r.Attend(0, dst, &buffer{q, rows, width}, own(k), own(v))
	} else {
		r.Attend(0, dst, &buffer{q, rows, width}, nil, nil)
	}
	c.Seek(pos, nil)
	c.Run(r.ops)
	return dst.data
}

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// TestAttend holds attention against plain formulas in float64.
func TestAttend(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	for _, a := range []attentionCase{
		{gguf.F32, 0, 1, false}, {gguf.F32, 0, 40, false}, {gguf.F16, 700, 9, false}, {gguf.Q8_0, 250, 40, false},
		{gguf.F16, 2100, 3, false}, {gguf.F32, 0, 32, true}, {gguf.F16, 256, 32, true}, {gguf.Q8_0, 1500, 100, true},
	} {
		t.Run(fmt.Sprintf("%v", a), func(t *testing.T) {
			positions := a.pos + a.rows
			kvWidth, width := testKVHeads*testDim, testHeads*testDim
			k, v, q := random(r, positions*kvWidth), random(r, positions*kvWidth), random(r, a.rows*width)
			for i := range k {
				k[i] *= 2 // scores that differ
			}
			got := a.run(t, testContext(t, 2, a.cache, k, v, a.rows), a.pos, q, k, v)
			cached := func(x []float32) []float32 { // as the cache holds it
				n := len(x)
				if a.block {
					n = a.pos * kvWidth
				}
				size, _ := a.cache.RowBytes(n)
				data, y := make([]byte, size), slices.Clone(x)
				quant.Quantize(a.cache, data, x[:n])
				quant.Dequantize(a.cache, y[:n], data)
				return y
			}
			k, v = cached(k), cached(v)
			for row := range a.rows {
				seen := a.pos + row + 1
				if a.block {
					seen = positions
				}
				for h := range testHeads {
					kv := h / (testHeads / testKVHeads) * testDim
					var sum float64
					want := make([]float64, testDim)
					for pos := range seen {
						var dot float64
						for d, x := range q[row*width+h*testDim:][:testDim] {
							dot += float64(x) * float64(k[pos*kvWidth+kv+d])
						}
						w := math.Exp(dot / math.Sqrt(testDim))
						sum += w
						for d := range want {
							want[d] += w * float64(v[pos*kvWidth+kv+d])
						}
					}
					for d := range want {
						if g, w := float64(got[row*width+h*testDim+d]), want[d]/sum; !(math.Abs(g-w) < 2e-5) {
							t.Fatalf("row %d, head %d: [%d] = %g, want %g", row, h, d, g, w)
						}
					}
				}
			}
		})
	}
}

// TestAttendAlike asks for the same bits from any pass that holds a row, on any number of threads, whatever lies at
// positions that it does not see.
func TestAttendAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 2))
	const rows = 70
	defer func(positions, values int) { tile, partValues = positions, values }(tile, partValues)
	tile, partValues = 256, 2*rows*testHeads*testDim // rounds of two tiles
	kvWidth, width := testKVHeads*testDim, testHeads*testDim
	for _, a := range []attentionCase{
		{gguf.F16, 1000, rows, false}, {gguf.Q8_0, 210, rows, false}, {gguf.F32, 760, rows, true}, {gguf.F16, 0, rows, true},
	} {
		positions := a.pos + a.rows
		k, v, q := random(r, positions*kvWidth), random(r, positions*kvWidth), random(r, a.rows*width)
		want := a.run(t, testContext(t, 1, a.cache, k, v, rows), a.pos, q, k, v)
		for _, threads := range []int{1, 2, 5} {
			for _, n := range []int{1, 7, 33, rows} {
				for at := 0; at+n <= rows; at += 1 + r.IntN(rows/2) {
					pos := a.pos
					if !a.block {
						pos += at
					}
					keys, values := k, v
					if !a.block { // nothing that the rows do not see may count
						keys, values = slices.Clone(k), slices.Clone(v)
						for i := (pos + n) * kvWidth; i < len(keys); i++ {
							keys[i], values[i] = float32(math.NaN()), float32(math.Inf(1))
						}
					}
					got := a.run(t, testContext(t, threads, a.cache, keys, values, rows), pos, q[at*width:(at+n)*width], k, v)
					for i, x := range got {
						if math.Float32bits(x) != math.Float32bits(want[at*width+i]) {
							t.Fatalf("%v, %d threads: row %d differs in a pass of %d rows from row %d", a, threads, at+i/width, n, at)
						}
					}
				}
			}
		}
		// Values that later rows bring must not count in earlier ones.
		if !a.block && a.cache == gguf.F16 {
			last := (positions - 1) * kvWidth
			for i := range kvWidth {
				v[last+i] = float32(math.Inf(1))
			}
			got := a.run(t, testContext(t, 2, a.cache, k, v, rows), a.pos, q, k, v)
			if !slices.Equal(got[:(rows-1)*width], want[:(rows-1)*width]) {
				t.Errorf("%v: a row's value counts in earlier rows", a)
			}
		}
	}
}
