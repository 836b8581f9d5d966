//go:build (emulator && linux) || gpu

package cuda

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/engine/cpu"
	"orthrus/gguf"
)

// chooser runs Choose, Draft and Accept on the CPU backend, for rows of logits that it is given.
type chooser struct {
	t    testing.TB
	ctx  engine.Context
	back *cpu.Backend
	rows int
}

func newChooser(t testing.TB, rows, vocab int) *chooser {
	t.Helper()
	back := cpu.New(1)
	ctx, err := back.Open(engine.Geometry{
		Layers: 1, Heads: 1, KVHeads: 1, HeadDim: 2, Vocab: vocab, Context: 8, Rows: rows, Cache: gguf.F32, Eps: 1, Rope: engine.NewRope(10, 2),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ctx.Close(); back.Close() })
	return &chooser{t, ctx, back, rows}
}

// load puts rows of logits into a buffer: an embedding does.
func (c *chooser) load(ops engine.Ops, logits []float32) engine.Buffer {
	vocab := len(logits) / c.rows
	b, err := c.ctx.Buffer(c.rows, vocab)
	if err != nil {
		c.t.Fatal(err)
	}
	w, err := c.back.Weight(&gguf.Tensor{Type: gguf.F32, Dims: []int{vocab, c.rows}, Data: asBytes(logits)})
	if err != nil {
		c.t.Fatal(err)
	}
	ops.Embed(b, w)
	return b
}

// run records a pass, runs it at a position, and returns its outcome.
func (c *chooser) run(pos int, s engine.Sampling, build func(engine.Ops)) engine.Outcome {
	tokens := make([]int32, c.rows) // rows of the logits
	for i := range tokens {
		tokens[i] = int32(i)
	}
	p, err := c.ctx.Record(build)
	if err != nil {
		c.t.Fatal(err)
	}
	c.ctx.Sample(s)
	c.ctx.Seek(pos, tokens)
	c.ctx.Run(p)
	o, err := c.ctx.Wait()
	if err != nil {
		c.t.Fatal(err)
	}
	return o
}

// rowsOf makes rows of logits of a kind.
func rowsOf(rnd *rand.Rand, kind string, rows, vocab int) []float32 {
	x := make([]float32, rows*vocab)
	for i := range x {
		v := rnd.NormFloat64()
		switch kind {
		case "normal":
			v *= 3
		case "peaked":
			v = v*v*v*3 - 10
		case "flat":
			v = 17 + v/50
		case "ties":
			v = float64(int(v*4)) / 4
		case "equal":
			v = -3
		case "odd":
			switch rnd.IntN(8) {
			case 0:
				v = math.Inf(-1)
			case 1:
				v = math.NaN()
			case 2:
				v = math.Copysign(0, v)
			case 3:
				v *= 1e-42
			}
		}
		x[i] = float32(v)
	}
	return x
}

var kinds = []string{"normal", "peaked", "flat", "ties", "equal", "odd"}

// TestChoose holds choices, chances and kept probabilities against those of the CPU.
func TestChoose(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	d := testDevice(t)
	const rows = 3
	for _, vocab := range []int{5, 203, 2048, 7001, 40012} {
		c := newChooser(t, rows, vocab)
		_, pinned := controlBytes(rows)
		host, at, err := d.pin(int(pinned))
		if err != nil {
			t.Fatal(err)
		}
		bytes, _ := controlBytes(rows)
		control := control{room[byte](t, d, int(bytes)), at, rows, room[byte](t, d, int(surveyBytes(rows, vocab)))}
		for round := range 4 * len(kinds) {
			if vocab > 10000 && round%2 > 0 {
				continue
			}
			kind := kinds[round%len(kinds)]
			logits := rowsOf(rnd, kind, rows, vocab)
			s := engine.Sampling{Temp: 0.2 + 2*rnd.Float64(), Seed: rnd.Uint64()}
			switch rnd.IntN(5) {
			case 0:
				s.TopK = 1 + rnd.IntN(40)
			case 1:
				s.TopK = 1 + rnd.IntN(vocab)
			}
			if rnd.IntN(2) == 0 {
				s.TopP = rnd.Float64()
			}
			if rnd.IntN(3) == 0 {
				s.MinP = rnd.Float64() / 4
			}
			if round%7 == 0 {
				s.Temp = 0
			}
			keep, pos := rnd.IntN(2) == 0 && s.Temp > 0, rnd.IntN(1000)

			var b engine.Buffer
			want := c.run(pos, s, func(ops engine.Ops) {
				b = c.load(ops, logits)
				ops.Choose(b, 0, true, keep)
				ops.Draft(rows - 1)
				ops.Accept(rows, 0, nil, nil)
			})
			kept := make([]float32, len(logits))
			if err := c.ctx.Read(b, kept); err != nil {
				t.Fatal(err)
			}

			m := matrix{put(t, d, logits), rows, vocab}
			for _, err := range []error{
				seek(d, control, pos, make([]int32, rows)), sample(d, control, s), choose(d, control, m, 0, true, keep),
				draft(d, control, rows-1), accept(d, control, rows, 0, matrix{}, matrix{}), d.wait(),
			} {
				if err != nil {
					t.Fatalf("%s, %d, %+v: %v", kind, vocab, s, err)
				}
			}
			got := control.outcome(host)
			if !slices.Equal(got.Tokens, want.Tokens) {
				t.Errorf("%s, %d, %+v: chose %v, want %v", kind, vocab, s, got.Tokens, want.Tokens)
			}
			for i := range want.Chances {
				if math.Abs(float64(got.Chances[i]/want.Chances[i])-1) > 2e-5 {
					t.Errorf("%s, %d, %+v: row %d has a chance of %g, want %g", kind, vocab, s, i, got.Chances[i], want.Chances[i])
				}
			}
			if !keep {
				continue
			}
			for i, p := range get[float32](t, d, m.at, len(logits)) {
				if math.Abs(float64(p-kept[i])) > 1e-6*float64(kept[i]) {
					t.Fatalf("%s, %d, %+v: row %d keeps %g for %d, want %g", kind, vocab, s, i/vocab, p, i%vocab, kept[i])
				}
			}
		}
	}
}

// TestReject holds rejection acceptance against the CPU's.
func TestReject(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	d := testDevice(t)
	const rows, vocab = 9, 300
	c := newChooser(t, rows, vocab)
	bytes, pinned := controlBytes(rows)
	host, at, err := d.pin(int(pinned))
	if err != nil {
		t.Fatal(err)
	}
	control := control{room[byte](t, d, int(bytes)), at, rows, room[byte](t, d, int(surveyBytes(rows, vocab)))}
	lengths := map[int]bool{}
	for range 20 {
		p := rowsOf(rnd, "normal", rows, vocab)
		q := slices.Clone(p)
		for i := range q {
			q[i] += float32(rnd.NormFloat64() / 3)
		}
		s := engine.Sampling{Temp: 0.5 + rnd.Float64(), TopK: 20 * rnd.IntN(2), Seed: rnd.Uint64(), Acceptance: engine.Rejection}
		pos := rnd.IntN(1000)
		want := c.run(pos, s, func(ops engine.Ops) {
			pb, qb := c.load(ops, p), c.load(ops, q)
			ops.Choose(qb, 0, true, true)
			ops.Draft(rows - 1)
			ops.Choose(pb, 0, false, true)
			ops.Accept(rows, 0, pb, qb)
		})
		pm, qm := matrix{put(t, d, p), rows, vocab}, matrix{put(t, d, q), rows, vocab}
		for _, err := range []error{
			seek(d, control, pos, nil), sample(d, control, s), choose(d, control, qm, 0, true, true), draft(d, control, rows-1),
			choose(d, control, pm, 0, false, true), accept(d, control, rows, 0, pm, qm), d.wait(),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		got := control.outcome(host)
		if !slices.Equal(got.Tokens, want.Tokens) {
			t.Errorf("%+v: %v, want %v", s, got.Tokens, want.Tokens)
		}
		lengths[len(got.Tokens)] = true
		next := get[int32](t, d, control.tokens()-4, 2) // position, and the first token behind it
		if int(next[0]) != pos+len(got.Tokens) || next[1] != got.Tokens[len(got.Tokens)-1] {
			t.Errorf("the next pass is at %d with token %d", next[0], next[1])
		}
	}
	if len(lengths) < 4 {
		t.Errorf("accepted numbers: only %v", lengths)
	}
}
