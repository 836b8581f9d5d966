//go:build (emulator && linux) || gpu

package cuda

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// attention is one layer of a context, with rows of random queries, keys and values.
type attention struct {
	*state
	t            testing.TB
	d            device
	q, k, v      []float32 // of all positions
	qNorm, kNorm []float32
	pinned       []byte
}

func newAttention(t testing.TB, d device, g engine.Geometry, rnd *rand.Rand) *attention {
	t.Helper()
	g.Layers, g.Eps, g.Rope = 2, 1e-6, engine.NewRope(10000, g.HeadDim)
	if err := checkGeometry(g); err != nil {
		t.Fatal(err)
	}
	bytes, pinned := stateBytes(g)
	host, p, err := d.pin(int(pinned))
	if err != nil {
		t.Fatal(err)
	}
	s, err := newState(d, g, room[byte](t, d, int(bytes)), p)
	if err != nil {
		t.Fatal(err)
	}
	a := &attention{state: s, t: t, d: d, pinned: host}
	kv := g.Context * g.KVHeads * g.HeadDim
	a.q, a.k, a.v = randomFloats(rnd, g.Context*g.Heads*g.HeadDim), randomFloats(rnd, kv), randomFloats(rnd, kv)
	a.qNorm, a.kNorm = randomFloats(rnd, g.HeadDim), randomFloats(rnd, g.HeadDim)
	return a
}

func (a *attention) check(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// store runs heads for the rows of positions [pos, pos+rows).
func (a *attention) store(layer, pos, rows int, block bool) {
	a.t.Helper()
	q, kv := a.Heads*a.HeadDim, a.KVHeads*a.HeadDim
	matrixOf := func(x []float32, cols int) matrix {
		return matrix{put(a.t, a.d, x[pos*cols:][:rows*cols]), rows, cols}
	}
	a.check(seek(a.d, a.control, pos, nil))
	a.check(rotations(a.d, a.state, rows))
	qm, km, vm := matrixOf(a.q, q), matrixOf(a.k, kv), matrixOf(a.v, kv)
	a.check(heads(a.d, a.state, layer, qm, km, vm, put(a.t, a.d, a.qNorm), put(a.t, a.d, a.kNorm), !block))
}

// pass attends with the rows of positions [pos, pos+rows) and returns the result.
func (a *attention) pass(layer, pos, rows int, block bool) []float32 {
	a.t.Helper()
	a.store(layer, pos, rows, block)
	width := a.Heads * a.HeadDim
	dst := matrix{room[float32](a.t, a.d, rows*width), rows, width}
	a.check(attend(a.d, a.state, layer, dst, acts{}, block, span{}))
	return get[float32](a.t, a.d, dst.at, rows*width)
}

// fill puts the keys and values of positions [0, n) into the cache.
func (a *attention) fill(layer, n int) {
	for at := 0; at < n; at += a.Rows {
		a.store(layer, at, min(a.Rows, n-at), false)
	}
}

// rotated is a head normed and rotated to a position, in float64.
func (a *attention) rotated(x, w []float32, pos int) []float64 {
	half := a.HeadDim / 2
	y := make([]float64, a.HeadDim)
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	s := 1 / math.Sqrt(sum/float64(len(x))+float64(a.Eps))
	for i := range half {
		sin, cos := math.Sincos(float64(float32(pos) * a.Rope.InvFreq[i]))
		u, v := float64(x[i])*s*float64(w[i]), float64(x[i+half])*s*float64(w[i+half])
		y[i], y[i+half] = u*cos-v*sin, v*cos+u*sin
	}
	return y
}

// saved are the keys and values of a layer's positions [0, n), [keys, values][kv head][position][HeadDim].
func (a *attention) saved(layer, n int) []float32 {
	rows, err := saveKV(a.d, a.state, nil, layer, n)
	a.check(err)
	x := make([]float32, 2*a.KVHeads*n*a.HeadDim)
	quant.Dequantize(a.Cache, x, rows)
	return x
}

// want is the attention of a row to keys and values [kv head][n][HeadDim], in float64.
func (a *attention) want(pos int, keys, values []float32, stride, n int) []float64 {
	dim := a.HeadDim
	out := make([]float64, a.Heads*dim)
	for h := range a.Heads {
		q := a.rotated(a.q[(pos*a.Heads+h)*dim:][:dim], a.qNorm, pos)
		first := h / a.group() * stride * dim
		p, peak, sum := make([]float64, n), math.Inf(-1), 0.0
		for j := range p {
			for i := range dim {
				p[j] += q[i] * float64(keys[first+j*dim+i])
			}
			p[j] /= math.Sqrt(float64(dim))
			peak = max(peak, p[j])
		}
		for j := range p {
			p[j] = math.Exp(p[j] - peak)
			sum += p[j]
		}
		for j := range p {
			for i := range dim {
				out[h*dim+i] += p[j] / sum * float64(values[first+j*dim+i])
			}
		}
	}
	return out
}

// distance is |got - want| / |want|.
func distance(got []float32, want []float64) float64 {
	var d, w float64
	for i := range want {
		d += (float64(got[i]) - want[i]) * (float64(got[i]) - want[i])
		w += want[i] * want[i]
	}
	return math.Sqrt(d / w)
}

var attentionCases = []struct {
	g         engine.Geometry
	positions []int
	rows      int
	tolerance float64 // of attention, given keys and values
	stored    float64 // of keys and values
}{
	{engine.Geometry{Heads: 3, KVHeads: 1, HeadDim: 128, Cache: gguf.F32}, []int{0, 70, 509}, 9, 1e-5, 1e-6},
	{engine.Geometry{Heads: 4, KVHeads: 2, HeadDim: 80, Cache: gguf.F32}, []int{3, 64}, 5, 1e-5, 1e-6},
	{engine.Geometry{Heads: 4, KVHeads: 2, HeadDim: 128, Cache: gguf.F16}, []int{0, 30, 120, 1021}, 9, 3e-3, 4e-4},
	{engine.Geometry{Heads: 5, KVHeads: 1, HeadDim: 64, Cache: gguf.F16}, []int{0, 61, 200}, 32, 3e-3, 4e-4},
	{engine.Geometry{Heads: 2, KVHeads: 2, HeadDim: 32, Cache: gguf.F16}, []int{1, 63}, 20, 3e-3, 4e-4},
	{engine.Geometry{Heads: 4, KVHeads: 1, HeadDim: 128, Cache: gguf.Q8_0}, []int{0, 31, 130}, 7, 3e-3, 2e-2},
	{engine.Geometry{Heads: 4, KVHeads: 2, HeadDim: 64, Cache: gguf.Q8_0}, []int{5, 100}, 32, 3e-3, 2e-2},
	{engine.Geometry{Heads: 2, KVHeads: 1, HeadDim: 32, Cache: gguf.Q8_0}, []int{60}, 17, 3e-3, 2e-2},
}

// TestAttention holds both views against float64, with what the cache gives back as keys and values.
func TestAttention(t *testing.T) {
	for _, c := range attentionCases {
		c.g.Rows, c.g.Context = 64, slices.Max(c.positions)+c.rows
		t.Run(fmt.Sprintf("%v %d/%d x %d", c.g.Cache, c.g.Heads, c.g.KVHeads, c.g.HeadDim), func(t *testing.T) {
			a := newAttention(t, testDevice(t), c.g, rand.New(rand.NewPCG(1, 2)))
			q, kv, dim := a.Heads*a.HeadDim, a.KVHeads*a.HeadDim, a.HeadDim
			for _, pos := range c.positions {
				a.fill(1, pos)
				n := pos + c.rows
				diffusion := a.pass(1, pos, c.rows, true)
				got := a.pass(1, pos, c.rows, false)
				cache := a.saved(1, n)
				half := a.KVHeads * n * dim
				for h := range a.KVHeads {
					for p := range n {
						at := (h*n + p) * dim
						if d := distance(cache[at:], a.rotated(a.k[p*kv+h*dim:][:dim], a.kNorm, p)); d > c.stored {
							t.Fatalf("the key of position %d is off by %g", p, d)
						}
						if d := distance(cache[half+at:], float64s(a.v[p*kv+h*dim:][:dim])); d > c.stored {
							t.Fatalf("the value of position %d is off by %g", p, d)
						}
					}
				}
				for i := range c.rows {
					if d := distance(got[i*q:][:q], a.want(pos+i, cache[:half], cache[half:], n, pos+i+1)); !(d < c.tolerance) {
						t.Errorf("position %d, row %d: off by %g", pos, i, d)
					}
					// The block's keys are those that the cache would have.
					if d := distance(diffusion[i*q:][:q], a.want(pos+i, cache[:half], cache[half:], n, n)); !(d < c.tolerance) {
						t.Errorf("position %d, row %d of a block: off by %g", pos, i, d)
					}
				}
			}
		})
	}
}

// TestHeads: queries, keys and values have the same bits row by row and eight rows at a time, from any position on.
func TestHeads(t *testing.T) {
	defer func(n int) { manyHeads = n }(manyHeads)
	const most = 80
	g := engine.Geometry{Heads: 6, KVHeads: 2, HeadDim: 128, Cache: gguf.F16, Rows: most, Context: most + 71}
	for _, rows := range []int{3, 66, most} {
		for _, pos := range []int{0, 5, 71} {
			for _, block := range []bool{false, true} {
				d := testDevice(t)
				var made [2][]byte
				for i := range made {
					manyHeads = []int{1, most + 1}[i]
					a := newAttention(t, d, g, rand.New(rand.NewPCG(1, 2)))
					spans := []span{{a.queries, int64(a.KVHeads) * a.queryBytes(rows)}, {a.block.at, a.block.bytes()}, {a.cache.at, a.cache.bytes()}}
					for _, s := range spans {
						a.check(d.upload(s.at, make([]byte, s.bytes)))
					}
					a.store(1, pos, rows, block)
					for _, s := range spans {
						made[i] = append(made[i], get[byte](t, d, s.at, int(s.bytes))...)
					}
				}
				if !bytes.Equal(made[0], made[1]) {
					t.Errorf("%d rows at %d, block %v: other bits", rows, pos, block)
				}
			}
		}
	}
}

func float64s(x []float32) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// TestAttentionAlone: a row's bits do not depend on the rows beside it, nor on what lies behind it in the cache.
func TestAttentionAlone(t *testing.T) {
	for _, typ := range []gguf.Type{gguf.F32, gguf.F16, gguf.Q8_0} {
		for _, pos := range []int{60, 1015} {
			g := engine.Geometry{Heads: 4, KVHeads: 2, HeadDim: 64, Cache: typ, Rows: 64, Context: pos + 33}
			a := newAttention(t, testDevice(t), g, rand.New(rand.NewPCG(3, 4)))
			a.fill(0, pos)
			q := a.Heads * a.HeadDim
			all := a.pass(0, pos, 33, false)
			for _, rows := range []int{1, 17} {
				for at := 0; at+rows <= 33; at += rows + 6 {
					got := a.pass(0, pos+at, rows, false)
					if !slices.Equal(got, all[at*q:][:rows*q]) {
						t.Errorf("%v, position %d: %d rows differ from the same among 33", typ, pos+at, rows)
					}
				}
			}
		}
	}
}

// TestSession: what saveKV gives, restoreKV puts back, in pieces too.
func TestSession(t *testing.T) {
	for _, typ := range []gguf.Type{gguf.F32, gguf.F16, gguf.Q8_0} {
		g := engine.Geometry{Heads: 2, KVHeads: 2, HeadDim: 64, Cache: typ, Rows: 64, Context: 150}
		d := testDevice(t)
		a := newAttention(t, d, g, rand.New(rand.NewPCG(5, 6)))
		a.fill(1, 150)
		rows, err := saveKV(d, a.state, []byte("head"), 1, 140)
		a.check(err)
		b := newAttention(t, d, g, rand.New(rand.NewPCG(5, 6)))
		b.scratch.bytes = 7 * b.cache.rowBytes
		b.check(restoreKV(d, b.state, rows[4:], 1, 140))
		again, err := saveKV(d, b.state, nil, 1, 140)
		b.check(err)
		if !bytes.Equal(again, rows[4:]) {
			t.Errorf("%v: the rows come back changed", typ)
		}
		if !slices.Equal(a.pass(1, 140, 3, true), b.pass(1, 140, 3, true)) {
			t.Errorf("%v: attention to restored rows differs", typ)
		}
		if err := restoreKV(d, b.state, rows[5:], 1, 140); err == nil {
			t.Errorf("%v: a byte is missing, and no error", typ)
		}
	}
}

// TestAttentionPieces: attention that takes 16 rows at a time gives the same bits.
func TestAttentionPieces(t *testing.T) {
	g := engine.Geometry{Heads: 3, KVHeads: 1, HeadDim: 64, Cache: gguf.F16, Rows: 64, Context: 200}
	d := testDevice(t)
	whole := newAttention(t, d, g, rand.New(rand.NewPCG(7, 8)))
	defer func(bytes int) { partsBytes = bytes }(partsBytes)
	partsBytes = 1
	pieces := newAttention(t, d, g, rand.New(rand.NewPCG(7, 8)))
	for _, a := range []*attention{whole, pieces} {
		a.fill(0, 150)
	}
	for _, block := range []bool{false, true} {
		if !slices.Equal(whole.pass(0, 150, 50, block), pieces.pass(0, 150, 50, block)) {
			t.Errorf("block %v: the rows differ", block)
		}
	}
	if whole.rowsAtOnce == pieces.rowsAtOnce {
		t.Error("there are no pieces")
	}
}

// TestAttentionForms: all forms of blocks, and prompts' attention as a whole, give the same bits, also where the size of splits
// changes, as float32 and as int8.
func TestAttentionForms(t *testing.T) {
	for _, g := range []engine.Geometry{
		{Heads: 4, KVHeads: 2, HeadDim: 128, Cache: gguf.F16},
		{Heads: 4, KVHeads: 1, HeadDim: 128, Cache: gguf.Q8_0},
		{Heads: 5, KVHeads: 1, HeadDim: 64, Cache: gguf.Q8_0},
		{Heads: 8, KVHeads: 1, HeadDim: 32, Cache: gguf.F16},
	} {
		g.Rows, g.Context = 128, 2100
		d := testDevice(t)
		a := newAttention(t, d, g, rand.New(rand.NewPCG(7, 8)))
		a.fill(0, g.Context)
		width := g.Heads * g.HeadDim
		for _, at := range []struct{ position, rows int }{{0, 100}, {3, 10}, {1000, 50}, {2030, 41}} {
			a.store(0, at.position, at.rows, false)
			byForm := func(queries int) func(matrix, acts) error {
				return func(dst matrix, q acts) error {
					return attendBy(func(int) attendForm { return a.attendForm(queries) }, d, a.state, 0, dst, q, false, span{})
				}
			}
			ways := []func(matrix, acts) error{byForm(64), byForm(128), func(dst matrix, q acts) error { return attendWhole(d, a.state, 0, dst, q) }}
			var floats []float32
			var rounded []byte
			for i, do := range ways {
				dst := matrix{room[float32](t, d, at.rows*width), at.rows, width}
				a.check(do(dst, acts{}))
				x := get[float32](t, d, dst.at, at.rows*width)
				size := int(actBytes(quant.Form256, at.rows, width))
				q := acts{quant.Form256, room[byte](t, d, size), at.rows, width}
				a.check(do(matrix{}, q))
				y := get[byte](t, d, q.at, size)
				if i == 0 {
					floats, rounded = x, y
				} else if !slices.Equal(x, floats) || !slices.Equal(y, rounded) {
					t.Errorf("%+v, %+v, way %d: other bits than the first", g, at, i)
				}
			}
		}
	}
}

// keys is the size of the splits of a row that sees so many positions.
func (s splits) keys(seen int) int {
	keys := tileKeys
	for seen > s.last(keys) {
		keys = s.next(keys)
	}
	return keys
}

// TestSplits: sizes are found again at their bounds, and there is room for as many as there can be.
func TestSplits(t *testing.T) {
	for keys, last := range map[int]int{64: 1024, 128: 2048, 256: 8448, 320: 10560, 512: 16896, 4032: 133056} {
		if cut.last(keys) != last || cut.keys(last) != keys || cut.keys(last+1) != cut.next(keys) {
			t.Errorf("splits of %d keys end at %d", keys, cut.last(keys))
		}
	}
	for _, context := range []int{1, 64, 513, 3000, 16384, 40000, 131072} {
		room := cut.count(context, 32)
		for seen := range context + 1 {
			if keys := cut.keys(seen); ceil(seen, keys)+ceil(32, keys) > room {
				t.Fatalf("a context of %d has room for %d splits, %d positions have more", context, room, seen)
			}
		}
	}
}
