package cuda

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// randomModel has products of both forms of int8 and of floats.
func randomModel(t testing.TB) *engine.Model {
	t.Helper()
	c := engine.Config{
		Arch: "orthrus", Layers: 2, Hidden: 256, Heads: 4, KVHeads: 2, HeadDim: 64, FF: 512, Vocab: 300,
		Context: 4096, Eps: 1e-6, Rope: engine.NewRope(1e6, 64), BlockSize: 8,
	}
	m, err := engine.Random(c, false, func(name string, _ int) gguf.Type {
		switch {
		case strings.Contains(name, "attn_v"):
			return gguf.Q8_0
		case strings.Contains(name, "ffn_down"):
			return gguf.F16
		}
		return gguf.Q4_K
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var options = engine.DecoderOptions{Context: 1024, Cache: gguf.F16}

// TestReserve holds the plan against what is taken, and looks at what does not fit.
func TestReserve(t *testing.T) {
	m := randomModel(t)
	d := newFake(t, 1<<32)
	b := newBackend(d, "cuda:0")
	defer b.Close()
	if err := b.Reserve(m, options); err != nil {
		t.Fatal(err)
	}
	n, err := engine.Place(m, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	dec, err := engine.NewDecoder(n, options)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	g, err := m.Geometry(engine.DecoderOptions{Context: options.Context, Cache: options.Cache, Chunk: b.Chunk()})
	if err != nil {
		t.Fatal(err)
	}
	planned := contextMemory(g).Bytes()
	for _, tensor := range m.Tensors() {
		planned += weightBytes(tensor)
	}
	keep := int64(g.Block) * int64(g.Vocab) * 4 // for rejection acceptance, not taken yet
	if d.used > planned || d.used < planned-keep {
		t.Errorf("%d bytes are taken, %d planned", d.used, planned)
	}

	for _, c := range []struct {
		free    int64
		context int
		want    []string
	}{
		{planned + slack - 1, 1024, []string{"-c 768 or --cache-type q8_0 "}},
		{planned + slack - 1, 2048, []string{"-c 768 or ", "a context of 2048 tokens"}},
		{1000, 1024, []string{"room for 0.0 GB", "use -b cpu"}},
	} {
		small := newBackend(newFake(t, c.free), "cuda:1")
		err := small.Reserve(m, engine.DecoderOptions{Context: c.context, Cache: gguf.F16})
		if err == nil {
			t.Errorf("a model fits into %d bytes", c.free)
			continue
		}
		for _, want := range append(c.want, "cuda:1") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%d bytes free: %v; want %q", c.free, err, want)
			}
		}
		small.Close()
	}
}

// TestOutOfMemory lets every allocation fail in turn: each is an error, and nothing is left.
func TestOutOfMemory(t *testing.T) {
	m := randomModel(t)
	for n := 0; ; n++ {
		d := newFake(t, 1<<32)
		d.allocs = n
		b := newBackend(d, "cuda:0")
		err := b.Reserve(m, options)
		var net *engine.Net
		if err == nil {
			net, err = engine.Place(m, b, nil)
		}
		var dec *engine.Decoder
		if err == nil {
			if dec, err = engine.NewDecoder(net, options); err == nil {
				dec.Close()
			}
		}
		b.Close()
		if err == nil {
			if n < 10 {
				t.Errorf("only %d allocations", n)
			}
			return
		}
	}
}

// TestUploads sends a matrix through buffers of some tiles, so that the last part is a small one.
func TestUploads(t *testing.T) {
	d := newFake(t, 1<<30)
	defer d.close()
	const rows, cols = 16*9 + 5, 512
	data := make([]byte, rows*cols*2)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	want := make([]byte, packedBytes(gguf.F16, rows, cols))
	packTiles(want, gguf.F16, data, rows, cols, 0, tiles(rows))
	u, err := newUploads(d, 3*len(want)/tiles(rows)+100)
	if err != nil {
		t.Fatal(err)
	}
	at, err := d.alloc(int64(len(want)))
	if err != nil {
		t.Fatal(err)
	}
	defer d.free(at)
	if err := u.add(&weight{t: gguf.F16, rows: rows, cols: cols, at: at}, data); err != nil {
		t.Fatal(err)
	}
	if err := u.close(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if d.download(got, at); !bytes.Equal(got, want) {
		t.Error("the matrix on the device is another one")
	}
}

func newFakeContext(t *testing.T) (*fake, *context, *engine.Net) {
	t.Helper()
	m := randomModel(t)
	d := newFake(t, 1<<32)
	b := newBackend(d, "cuda:0")
	n := golden.Place(t, m, b)
	o := options
	o.Chunk = 128
	g, err := m.Geometry(o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := b.Open(g)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return d, c.(*context), n
}

func buffers(t *testing.T, c *context, rows, cols, n int) (list []engine.Buffer) {
	t.Helper()
	for range n {
		b, err := c.Buffer(rows, cols)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

// TestFusion looks at the launches of a norm and products: one form of int8 comes with the norm, another is a launch of its
// own, and floats are left out where nothing reads them.
func TestFusion(t *testing.T) {
	_, c, _ := newFakeContext(t)
	b := buffers(t, c, 8, 256, 4)
	w := func(typ gguf.Type, rows int) *weight { return &weight{t: typ, rows: rows, cols: 256, at: 1 << 30} }
	for _, k := range []struct {
		types         []gguf.Type
		steps         int
		int8, float32 bool // that the norm writes
	}{
		{[]gguf.Type{gguf.Q4_K, gguf.Q6_K}, 2, true, false},
		{[]gguf.Type{gguf.F16}, 2, false, true},
		{[]gguf.Type{gguf.Q4_K, gguf.F32, gguf.Q8_0}, 5, true, true},
	} {
		r := &recorder{context: c}
		r.Norm(b[1], b[0], w(gguf.F32, 1))
		var list []engine.Product
		for _, typ := range k.types {
			list = append(list, engine.Product{Weight: w(typ, 256), Dst: b[2]})
		}
		r.MatMul(b[1], false, list...)
		norm := r.steps[0]
		if r.failed != nil || len(r.steps) != k.steps || (norm.acts.at != 0) != k.int8 || (norm.dst.at != 0) != k.float32 || norm.ahead.at == 0 {
			t.Errorf("%v: %d steps, the norm is %+v, %v", k.types, len(r.steps), norm, r.failed)
		}
	}
	r := &recorder{context: c}
	r.MatMul(b[0], false, engine.Product{Weight: w(gguf.F32, 1), Dst: b[1]})
	if r.failed == nil {
		t.Error("a vector multiplies")
	}
}

// TestGraphs runs more shapes of passes than there may be graphs, the first one now and then.
func TestGraphs(t *testing.T) {
	d, c, _ := newFakeContext(t)
	b := buffers(t, c, 128, 256, 1)
	record := func(rows int) engine.Pass {
		p, err := c.Record(func(ops engine.Ops) { ops.Gate(b[0].Slice(0, rows), b[0].Slice(0, rows), b[0].Slice(0, rows)) })
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := record(1)
	var passes []engine.Pass
	for range 2 * maxGraphs {
		passes = append(passes, record(2))
	}
	c.Run(first)
	for _, p := range passes {
		c.Run(p)
		c.Run(first)
		if d.graphs > maxGraphs {
			t.Fatalf("%d graphs", d.graphs)
		}
	}
	if graphs := slices.DeleteFunc(slices.Clone(d.launches), func(k string) bool { return k != "graph" }); len(graphs) != len(passes) {
		t.Errorf("the pass that is always used ran as a graph %d times, want %d", len(graphs), len(passes))
	}
	before := d.graphs
	wide := record(graphRows + 1)
	c.Run(wide)
	c.Run(wide)
	if d.graphs != before {
		t.Error("a wide pass became a graph")
	}
}

// TestFailure looks for the error of a launch in the next Wait, and in no further one.
func TestFailure(t *testing.T) {
	d, c, _ := newFakeContext(t)
	d.fails = true
	c.Seek(0, []int32{1})
	c.Seek(1, []int32{1})
	if _, err := c.Wait(); err != errFake {
		t.Errorf("Wait gives %v", err)
	}
	if _, err := c.Wait(); err != nil {
		t.Errorf("the next Wait gives %v", err)
	}
}
