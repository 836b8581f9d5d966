package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// traces are what drafting gives along the answers to the golden prompts, made by
//
//	orthrus convert convert/testdata/orthrus-demo-18m -o demo.gguf --type bf16 --diff-type bf16
//	orthrus bench -m demo.gguf --no-think --cache-type f32 -f engine/testdata/demo_decode.json -n 160 --record engine/testdata/demo_traces.json.zst
func traces(t testing.TB) (all []Trace) {
	t.Helper()
	data, err := os.ReadFile("testdata/demo_traces.json.zst")
	if err != nil {
		t.Fatal(err)
	}
	r, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if data, err = r.DecodeAll(data, nil); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	for i := range all {
		if err := all[i].Check(4096); err != nil {
			t.Fatalf("trace %d: %v", i, err)
		}
	}
	return all
}

// machine is what passes of n rows cost, and a look at the chances between them, in seconds.
type machine struct {
	ar, diffusion func(n float64) float64
	sync          float64
}

// decode returns the seconds that a trace takes with drafts of a fixed width, 1
// for none.
func (m machine) decode(t *Trace, rows int) (seconds float64) {
	for i := 0; i < len(t.Steps); {
		if rows == 1 {
			seconds, i = seconds+m.ar(1), i+1
			continue
		}
		_, accepted := t.at(i, rows)
		seconds += m.ar(float64(rows)) + m.diffusion(float64(rows))
		i += accepted + 1
	}
	return seconds
}

// decodeAuto is decode as p plans it.
func (m machine) decodeAuto(t *Trace, p *planner) (seconds float64) {
	p.begin()
	for i := 0; i < len(t.Steps); {
		left := len(t.Steps) - i
		rows, look := p.draft(32, min(32, left))
		s := plannedStep{drafted: rows, verified: min(rows, left)}
		if s.drafted > 1 {
			var accepted int
			s.chances, accepted = t.at(i, s.drafted)
			draft := time.Duration(1e9 * m.diffusion(float64(s.drafted)))
			if look {
				s.verified = p.verify(s.chances, s.verified)
				s.draftTime = draft + time.Duration(1e9*m.sync)
			} else {
				s.verifyTime = draft
			}
			s.accepted = min(accepted, s.verified-1)
		}
		s.verifyTime += time.Duration(1e9 * m.ar(float64(s.verified)))
		p.learn(s)
		seconds += (s.draftTime + s.verifyTime).Seconds()
		i += s.accepted + 1
	}
	return seconds
}

// bound returns the seconds that a trace takes at best, if it were known at every
// step what every draft will see.
func (m machine) bound(t *Trace) float64 {
	least := make([]float64, len(t.Steps)+1) // by position
	for i := len(t.Steps) - 1; i >= 0; i-- {
		least[i] = m.ar(1) + least[i+1]
		for _, w := range t.Widths {
			_, accepted := t.at(i, w)
			if n := min(accepted+1, len(t.Steps)-i); n > 1 {
				least[i] = min(least[i], m.diffusion(float64(w))+m.ar(float64(n))+least[i+n])
			}
		}
	}
	return least[0]
}

// TestPlanner holds what Auto makes of the golden prompts against the best fixed
// width of each prompt, known only afterwards, on machines from those where rows
// are nearly free to those where drafting hardly pays.
func TestPlanner(t *testing.T) {
	linear := func(fixed, perRow float64) func(float64) float64 {
		return func(n float64) float64 { return fixed + n*perRow }
	}
	bound := func(memory, perRow float64) func(float64) float64 {
		return func(n float64) float64 { return max(memory, n*perRow) }
	}
	all := traces(t)
	for _, c := range []struct {
		name  string
		m     machine
		best  float64 // share of the best fixed widths' speed to reach
		worst float64 // the time of an answer over that of plain decoding
	}{
		{"GPU", machine{linear(10e-3, 0.06e-3), linear(10e-3, 0.06e-3), 30e-6}, 0.9, 1.05},
		{"CPU, 1.7B q8_0", machine{bound(48e-3, 3.7e-3), bound(46e-3, 3.6e-3), 0}, 0.9, 1.05},
		{"CPU, 1.7B q4_k_m", machine{linear(20e-3, 2.9e-3), linear(19e-3, 2.8e-3), 0}, 0.9, 1.12},
		{"CPU, a model in the cache", machine{linear(0.21e-3, 0.037e-3), linear(0.2e-3, 0.035e-3), 0}, 0.9, 1.1},
		{"no integer dot products", machine{linear(20e-3, 20e-3), linear(20e-3, 20e-3), 0}, 0.9, 1.2},
	} {
		p := newPlanner(32, 0)
		var plain, fixed, auto, alone, bound, slowest float64
		for i := range all {
			tr := &all[i]
			ar := c.m.decode(tr, 1)
			best := ar
			for _, w := range tr.Widths {
				best = min(best, c.m.decode(tr, w))
			}
			a := c.m.decodeAuto(tr, p)
			plain, fixed, auto, bound, slowest = plain+ar, fixed+best, auto+a, bound+c.m.bound(tr), max(slowest, a/ar)
			alone += c.m.decodeAuto(tr, newPlanner(32, 0)) // as the first answer of a program
		}
		t.Logf("%s: %.2f times as fast as plain decoding (at most %.2f), %.3f of the best widths, slowest answer %.2f of plain decoding's time; %.2f times, each answer by itself",
			c.name, plain/auto, plain/bound, fixed/auto, slowest, plain/alone)
		if fixed/auto < c.best || slowest > c.worst || alone > 1.1*auto {
			t.Errorf("%s: %.3f of the best widths, slowest answer %.2f, %.2f of the speed by itself: want %.2f, %.2f and 0.9",
				c.name, fixed/auto, slowest, auto/alone, c.best, c.worst)
		}
	}
}

// TestNarrowBlocks counts what drafting fewer rows than the checkpoint's block
// does to acceptance: at every position of the golden answers, the drafts accepted
// in a narrow block against those among the first ones of a block of 32.
func TestNarrowBlocks(t *testing.T) {
	all := traces(t)
	for j, rows := range all[0].Widths {
		var narrow, wide, positions int
		var survive [32]int
		for _, tr := range all {
			for _, s := range tr.Steps {
				narrow += s.Accepted[j]
				wide += min(s.Accepted[len(s.Accepted)-1], rows-1)
				positions++
				survive[s.Accepted[j]]++
			}
		}
		line := ""
		for i := 31; i > 0; i-- {
			survive[i-1] += survive[i]
		}
		for _, i := range []int{1, 3, 7, 15, 31} {
			if i < rows {
				line += fmt.Sprintf(" %d: %.3f", i, float64(survive[i])/float64(positions))
			}
		}
		mean := float64(narrow) / float64(positions)
		t.Logf("%2d rows: %.2f drafts accepted, %.2f of as many in a block of 32; at least%s", rows, mean, float64(wide)/float64(positions), line)
		if float64(narrow) < 0.9*float64(wide) {
			t.Errorf("%d rows accept %d drafts, the first of 32 rows %d", rows, narrow, wide)
		}
	}
}

// TestChances counts how often drafts of a chance are accepted if those before
// them are.
func TestChances(t *testing.T) {
	var drafts, accepted [10]int
	for _, tr := range traces(t) {
		for i := range tr.Steps {
			chances, n := tr.at(i, 32)
			for j, c := range chances[:min(n+1, len(tr.Steps)-i-1, 31)] {
				bin := min(int(c*10), 9)
				drafts[bin]++
				if j < n {
					accepted[bin]++
				}
			}
		}
	}
	for i := range drafts {
		share := float64(accepted[i]) / float64(drafts[i])
		t.Logf("chance %.1f to %.1f: %.3f of %d drafts accepted", float64(i)/10, float64(i+1)/10, share, drafts[i])
		if middle := float64(i)/10 + 0.05; share < middle-0.15 || share > middle+0.15 {
			t.Errorf("drafts of a chance of %.2f: %.3f accepted", middle, share)
		}
	}
}

// TestLook counts the steps that look at the drafts' chances: all where that costs nothing, few where it costs more than
// it saves, and most where rows cost much.
func TestLook(t *testing.T) {
	rows := func(perRow float64) func(n float64) float64 {
		return func(n float64) float64 { return 5e-3 + n*perRow }
	}
	for _, c := range []struct {
		perRow, sync float64
		least, most  float64 // share of the steps
	}{{1e-6, 0, 1, 1}, {1e-6, 200e-6, 0.01, 0.15}, {500e-6, 50e-6, 0.8, 1}} {
		all := traces(t)[:48] // the others hardly pay
		p := newPlanner(32, time.Duration(1e9*c.sync))
		for i := range all {
			(machine{rows(c.perRow), rows(c.perRow), c.sync}).decodeAuto(&all[i], p)
		}
		looked := 0
		const steps = 200
		for range steps {
			if n, look := p.draft(32, 32); look || n == 1 {
				looked++
			}
		}
		if share := float64(looked) / steps; share < c.least || share > c.most {
			t.Errorf("%g s a row, %g s a look: %.2f of the steps look, want %g to %g", c.perRow, c.sync, share, c.least, c.most)
		}
	}
}

// BenchmarkPlanner tells what planning costs a step.
func BenchmarkPlanner(b *testing.B) {
	linear := func(n float64) float64 { return 1e-3 + n*0.1e-3 }
	all := traces(b)
	p, m, steps := newPlanner(32, 0), machine{linear, linear, 0}, 0
	for b.Loop() {
		for i := range all {
			m.decodeAuto(&all[i], p)
			steps += len(all[i].Steps)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(steps), "ns/token")
}
