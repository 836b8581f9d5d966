//go:build (emulator && linux) || (gpu && darwin)

package metal

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// attentionCase is a pass of some rows over a cache.
type attentionCase struct {
	cache               gguf.Type
	heads, kvHeads, dim int
	position, rows      int
	block               bool // the rows' own keys and values, seen by all
	limit               int  // tiles at once, to have several rounds
}

// TestAttention holds attention against float64, with a NaN wherever a row must not look.
func TestAttention(t *testing.T) {
	cases := []attentionCase{
		{gguf.F32, 4, 2, 128, 0, 1, false, 9},
		{gguf.F16, 4, 2, 128, 255, 1, false, 9},
		{gguf.F16, 8, 2, 64, 250, 12, false, 9},
		{gguf.Q8_0, 6, 2, 32, 255, 33, false, 9},
		{gguf.F32, 3, 1, 24, 1000, 5, false, 2},
		{gguf.F16, 2, 1, 256, 300, 7, false, 1},
		{gguf.Q8_0, 2, 2, 160, 31, 2, false, 9},
		{gguf.F32, 4, 2, 128, 0, 32, true, 9},
		{gguf.F16, 4, 1, 96, 257, 6, true, 1},
		{gguf.Q8_0, 4, 2, 64, 700, 32, true, 9},
		{gguf.F16, 2, 2, 8, 12, 300, true, 9},
	}
	for i, c := range cases {
		t.Run(fmt.Sprintf("%v %dx%d at %d, %d rows, block %v", c.cache, c.heads, c.dim, c.position, c.rows, c.block), func(t *testing.T) {
			c.test(t, uint64(i))
		})
	}
}

func (a attentionCase) test(t *testing.T, seed uint64) {
	b := newBench(t, seed)
	g := engine.Geometry{Layers: 1, Hidden: 8, Heads: a.heads, KVHeads: a.kvHeads, HeadDim: a.dim, FF: 8, Vocab: 8,
		Context: a.position + a.rows + 3, Rows: a.rows, Block: 1, Cache: a.cache, Eps: 1e-6, Rope: engine.NewRope(1e4, a.dim)}
	backend := newBackend(b.device)
	c, err := backend.open(g)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()

	// All positions are filled through the session's form; those that no row sees with NaN.
	rowBytes, _ := a.cache.RowBytes(a.dim)
	all := a.position
	if !a.block {
		all += a.rows
	}
	saved := make([]byte, 2*a.kvHeads*g.Context*rowBytes)
	kv := make([]float32, 2*a.kvHeads*g.Context*a.dim) // what the cache then holds
	for i := range kv {
		kv[i] = float32(b.random.NormFloat64())
	}
	quant.Quantize(a.cache, saved, kv)
	quant.Dequantize(a.cache, kv, saved)
	hidden := all
	if a.rows > 1 && !a.block {
		hidden-- // the last row alone sees it, and is not looked at
	}
	for i := range 2 * a.kvHeads * g.Context {
		if i%g.Context >= hidden {
			row := saved[i*rowBytes:][:rowBytes]
			for j := range row {
				row[j] = 0xff
			}
		}
	}
	if err := c.RestoreKV(saved, 0, g.Context); err != nil {
		t.Fatal(err)
	}
	again, err := c.SaveKV(nil, 0, g.Context)
	if err != nil || !slices.Equal(again, saved) {
		t.Fatalf("the cache does not come back as it was: %v", err)
	}

	width, kvWidth := a.heads*a.dim, a.kvHeads*a.dim
	qs, ks, vs := b.numbersOf(a.rows*width), b.numbersOf(a.rows*kvWidth), b.numbersOf(a.rows*kvWidth)
	at := attention{rows: a.rows, q: b.matrix(a.rows, width, qs)}
	if a.block {
		at.k, at.v = b.matrix(a.rows, kvWidth, ks), b.matrix(a.rows, kvWidth, vs)
	}
	c.parts.tiles = b.memory(int64(a.limit) * tileBytes(g, a.rows))
	dst := b.matrix(a.rows, width, make([]float32, a.rows*width))
	b.run(func(l *list) {
		seek(l, c.control, a.position, nil)
		c.attend(l, at, ceil(all, tileKeys), outputs{floats: dst})
	})
	got := b.read(dst)

	for row := range a.rows - (all - hidden) {
		for head := range a.heads {
			kvHead := head * a.kvHeads / a.heads
			end := a.position
			if !a.block {
				end += row + 1
			}
			var keys, values [][]float32
			for p := range end {
				keys = append(keys, kv[(kvHead*g.Context+p)*a.dim:][:a.dim])
				values = append(values, kv[((a.kvHeads+kvHead)*g.Context+p)*a.dim:][:a.dim])
			}
			for i := 0; a.block && i < a.rows; i++ {
				keys = append(keys, ks[i*kvWidth+kvHead*a.dim:][:a.dim])
				values = append(values, vs[i*kvWidth+kvHead*a.dim:][:a.dim])
			}
			from := row*width + head*a.dim
			want := attend64(qs[from:][:a.dim], keys, values)
			for d, v := range got[from:][:a.dim] {
				if !(math.Abs(float64(v)-want[d]) < 2e-6) {
					t.Fatalf("row %d, head %d, value %d: %g, want %g", row, head, d, v, want[d])
				}
			}
		}
	}
}

// attend64 is attention of one query.
func attend64(q []float32, keys, values [][]float32) []float64 {
	out, sum, scores, peak := make([]float64, len(q)), 0.0, make([]float64, len(keys)), math.Inf(-1)
	for i, key := range keys {
		for d, v := range key {
			scores[i] += float64(q[d]) * float64(v)
		}
		scores[i] /= math.Sqrt(float64(len(q)))
		peak = max(peak, scores[i])
	}
	for i, value := range values {
		w := math.Exp(scores[i] - peak)
		sum += w
		for d, v := range value {
			out[d] += w * float64(v)
		}
	}
	for d := range out {
		out[d] /= sum
	}
	return out
}

// numbersOf are some random numbers.
func (b *bench) numbersOf(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(b.random.NormFloat64())
	}
	return x
}

// TestHeads holds norms, rotations and what goes to the cache against package quant's functions.
func TestHeads(t *testing.T) {
	for i, typ := range []gguf.Type{gguf.F32, gguf.F16, gguf.Q8_0} {
		for _, store := range []bool{true, false} {
			b := newBench(t, uint64(i))
			const heads, kvHeads, dim, rows, position = 6, 2, 96, 3, 30
			g := engine.Geometry{Layers: 1, Hidden: 8, Heads: heads, KVHeads: kvHeads, HeadDim: dim, FF: 8, Vocab: 8,
				Context: 40, Rows: rows, Block: 1, Cache: typ, Eps: 1e-6, Rope: engine.NewRope(1e4, dim)}
			c, err := newBackend(b.device).open(g)
			if err != nil {
				t.Fatal(err)
			}
			c.rotations.reach(g.Context)
			q, k, v := b.numbersOf(rows*heads*dim), b.numbersOf(rows*kvHeads*dim), b.numbersOf(rows*kvHeads*dim)
			qNorm, kNorm := b.numbersOf(dim), b.numbersOf(dim)
			v[0], v[1], v[32] = float32(math.NaN()), float32(math.Inf(1)), 1e30
			v[64], v[65], v[66] = 127, 2.5, -2.5 // halves, which q8_0 rounds away from zero
			qm, km := b.matrix(rows, heads*dim, q), b.matrix(rows, kvHeads*dim, k)
			b.run(func(l *list) {
				seek(l, c.control, position, nil)
				c.heads(l, 0, qm, km, b.matrix(rows, kvHeads*dim, v), b.bytes(bytesOf(qNorm)), b.bytes(bytesOf(kNorm)), store)
			})
			turn := func(x, w []float32) {
				for i := 0; i < len(x); i += dim {
					head := x[i:][:dim]
					quant.RMSNorm(head, head, w, g.Eps)
					cos, sin := make([]float32, dim/2), make([]float32, dim/2)
					for j, freq := range g.Rope.InvFreq {
						s, c := math.Sincos(float64(float32(position+i*rows/len(x)) * freq))
						cos[j], sin[j] = float32(c), float32(s)
					}
					quant.Rotate(head, cos, sin)
				}
			}
			turn(q, qNorm)
			turn(k, kNorm)
			near(t, "queries", b.read(qm), q, 1e-5)
			if !store {
				near(t, "keys", b.read(km), k, 1e-5)
				c.Close()
				continue
			}
			saved, err := c.SaveKV(nil, 0, position+rows)
			if err != nil {
				t.Fatal(err)
			}
			rowBytes, _ := typ.RowBytes(dim)
			got, want := make([]float32, dim), make([]float32, dim)
			for i := range 2 * kvHeads * rows {
				head, row := i/rows, i%rows
				src, tolerance := k, map[gguf.Type]float64{gguf.F32: 1e-5, gguf.F16: 4e-3, gguf.Q8_0: 0.04}[typ]
				if head >= kvHeads {
					src, tolerance = v, 0
				}
				quant.Dequantize(typ, got, saved[(head*(position+rows)+position+row)*rowBytes:][:rowBytes])
				data := make([]byte, rowBytes)
				quant.Quantize(typ, data, src[(row*kvHeads+head%kvHeads)*dim:][:dim])
				quant.Dequantize(typ, want, data)
				near(t, fmt.Sprintf("%v: cached head %d, row %d", typ, head, row), got, want, tolerance)
			}
			c.Close()
		}
	}
}

// near fails where two vectors differ by more than the tolerance. NaNs are equal.
func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	for i, w := range want {
		g := got[i]
		if g == w || g != g && w != w {
			continue
		}
		if !(math.Abs(float64(g)-float64(w)) <= tolerance) {
			t.Fatalf("%s: value %d is %g, want %g", what, i, g, w)
		}
	}
}

// TestRowOperations holds norm and gate against package quant, and their activations against quant.Act.
func TestRowOperations(t *testing.T) {
	for i, width := range []int{1, 7, 256, 512, 800, 8224} {
		b := newBench(t, uint64(i))
		const rows = 9
		x, y, w := b.numbers(rows, width), b.numbers(rows, width), b.numbersOf(width)
		src, up, norms := b.matrix(rows, width, x), b.matrix(rows, width, y), b.bytes(bytesOf(w))
		for _, f := range []quant.Form{quant.FormFloat, quant.Form32, quant.Form256} {
			if f == quant.Form32 && width%32 > 0 || f == quant.Form256 && width%256 > 0 {
				continue
			}
			for _, gated := range []bool{false, true} {
				// With activations, those of the floats that come beside have to be the same.
				out := outputs{floats: b.matrix(rows, width, make([]float32, rows*width))}
				var again acts
				if f != quant.FormFloat {
					q, scales, sums := actBytes(f, rows, width)
					out.acts = newActs(f, b.memory(q+scales+sums), rows, width)
					again = newActs(f, b.memory(q+scales+sums), rows, width)
				}
				b.run(func(l *list) {
					if gated {
						gate(l, out, src, up)
					} else {
						norm(l, out, src, norms, 1e-6)
					}
					if f != quant.FormFloat {
						quantize(l, again, out.floats)
					}
				})
				if f != quant.FormFloat && !slices.Equal(out.acts.q.buffer.bytes(), again.q.buffer.bytes()) {
					t.Fatalf("width %d, form %d, gate %v: activations differ from those of the floats", width, f, gated)
				}
				want := make([]float32, width)
				for r, got := 0, b.read(out.floats); r < rows; r++ {
					if gated {
						quant.SiLUMul(want, x[r*width:][:width], y[r*width:][:width])
					} else {
						quant.RMSNorm(want, x[r*width:][:width], w, 1e-6)
					}
					for j, v := range got[r*width:][:width] {
						if math.Abs(float64(v-want[j])) > 1e-5*math.Abs(float64(want[j]))+1e-37 {
							t.Fatalf("width %d, gate %v: row %d, value %d: %g, want %g", width, gated, r, j, v, want[j])
						}
					}
				}
			}
		}
	}
}
