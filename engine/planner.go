package engine

import "time"

// planner chooses at every step of Auto how many rows to draft and how many of
// the drafts to verify, so that the tokens per second are highest in the long
// run. It decides how fast the text comes, never what it says.
//
// A step that is expected to yield E tokens in T seconds is worth
//
//	E - rate * T
//
// tokens, where rate is the tokens per second of late: what the time would have
// given otherwise. Maximizing this at every step maximizes the rate in the long
// run (renewal reward). E comes from the chances that the drafts have, T from the
// passes timed so far.
//
// What a draft will see is not known before it is made. It is judged by what the
// last drafts saw, and by what the last one saw of the text that is now next.
type planner struct {
	costs  [2]costs // of passes, by View
	widths []int    // rows that a step may draft, 1 for none

	tokens, seconds float64 // of late; their quotient is the rate

	calibration calibration
	recent      [][]float64 // chances in the last drafts, the newest last
	ahead       []float64   // those of the last draft for the tokens that are now next
	tail        float64     // chance of drafts beyond those of late
	idle, wait  int         // steps without a draft, and how many until the next trial
}

const (
	// How much the last step counts for the rate, and the last draft beside the
	// earlier ones, of which so many count.
	newRate, newDraft, drafts = 0.2, 0.3, 8
	// Share of what the last draft saw ahead beside what the last ones saw.
	aheadShare = 0.4
	// No draft is certain.
	firstTail, maxTail = 0.9, 0.985
	// Where drafting does not pay, a trial follows after so many steps without,
	// then after twice as many, and so on.
	minWait, maxWait = 8, 64
	// Rows of the first draft.
	firstWidth = 8
)

func newPlanner(block int) *planner {
	p := &planner{widths: []int{1}, tail: firstTail, wait: minWait}
	for _, n := range []int{2, 4, 6, 8, 12, 16, 24, 32, 48, 64} {
		if n < block {
			p.widths = append(p.widths, n)
		}
	}
	if block > 1 {
		p.widths = append(p.widths, block)
	}
	return p
}

// draft returns the rows to draft, 1 for none, of at most limit. At most verify
// rows can be verified.
func (p *planner) draft(limit, verify int) int {
	if verify < 2 || p.costs[AR].at(1) == 0 {
		return 1 // the first step tells what a row costs
	}
	if len(p.recent) == 0 {
		return min(limit, firstWidth)
	}
	best, trial := 1, 0
	worth := map[int]float64{}
	for _, n := range p.widths {
		if n > limit {
			break
		}
		worth[n] = p.expect(n, verify)
		if worth[n] > worth[best] {
			best = n
		}
		if n > 1 && (trial == 0 || worth[n] > worth[trial]) {
			trial = n
		}
	}
	if best > 1 || trial == 0 {
		p.idle, p.wait = 0, minWait
		return best
	}
	if p.idle++; p.idle < p.wait {
		return 1
	}
	p.idle, p.wait = 0, min(2*p.wait, maxWait)
	return trial
}

// expect returns what a step that drafts n rows can be expected to be worth.
func (p *planner) expect(n, verify int) float64 {
	worth := func(chances []float64) float64 {
		_, w := p.best(chances, min(n, verify))
		return w
	}
	var mean, weights float64
	weight := 1.0
	for i := len(p.recent) - 1; i >= 0; i-- {
		mean += weight * worth(p.recent[i])
		weights += weight
		weight *= 1 - newDraft
	}
	w := mean / weights
	if len(p.ahead) > 0 {
		w += aheadShare * (worth(p.ahead) - w)
	}
	if n > 1 {
		w -= p.rate() * p.draftCost(n)
	}
	return w
}

// verify returns the rows to verify, at most limit, given the chances of the
// drafts.
func (p *planner) verify(chances []float32, limit int) int {
	rows, _ := p.best(p.calibration.apply(chances), min(limit, len(chances)+1))
	return rows
}

// best returns the rows to verify, at most limit, and what that is worth, given
// the chance of every draft to be accepted if those before it are. Further ones
// have the chance of the tail.
func (p *planner) best(chances []float64, limit int) (rows int, worth float64) {
	rate := p.rate()
	all, expected := 1.0, 1.0 // chance that all drafts are accepted; tokens
	rows, worth = 1, 1-rate*p.costs[AR].at(1)
	for n := 2; n <= limit; n++ {
		if n-2 < len(chances) {
			all *= chances[n-2]
		} else {
			all *= p.tail
		}
		expected += all
		if w := expected - rate*p.costs[AR].at(n); w > worth {
			rows, worth = n, w
		}
	}
	return rows, worth
}

// rate is the tokens per second of late, and at least those of plain decoding.
func (p *planner) rate() float64 {
	one := 1 / p.costs[AR].at(1)
	if p.seconds == 0 {
		return one
	}
	return max(p.tokens/p.seconds, one)
}

func (p *planner) draftCost(n int) float64 {
	if c := p.costs[Diffusion].at(n); c > 0 {
		return c
	}
	return p.costs[AR].at(n)
}

// plannedStep is what came of a step.
type plannedStep struct {
	drafted, verified int       // rows; drafted is 1 without a draft
	chances           []float32 // of the drafts, as the draft pass gave them
	accepted          int       // drafts
	draftTime         time.Duration
	verifyTime        time.Duration
}

func (p *planner) learn(s plannedStep) {
	p.costs[AR].learn(s.verified, s.verifyTime.Seconds())
	p.tokens += newRate * (float64(s.accepted+1) - p.tokens)
	p.seconds += newRate * ((s.draftTime + s.verifyTime).Seconds() - p.seconds)
	if s.drafted == 1 {
		p.ahead = p.ahead[min(1, len(p.ahead)):]
		return
	}
	p.costs[Diffusion].learn(s.drafted, s.draftTime.Seconds())
	p.calibration.learn(s.chances[:s.verified-1], s.accepted)

	chances := p.calibration.apply(s.chances)
	last := chances[max(0, len(chances)-4):]
	var mean float64
	for _, c := range last {
		mean += c / float64(len(last))
	}
	p.tail = min(p.tail+newDraft*(mean-p.tail), maxTail)
	p.ahead = chances[min(s.accepted+1, len(chances)):]
	if len(p.recent) == drafts {
		p.recent = p.recent[1:]
	}
	p.recent = append(p.recent, chances)
}

// calibration corrects the chances that a model gives its drafts by how often
// such drafts were accepted of late.
type calibration [8]struct{ expected, accepted float64 }

// calibrationPrior is the weight of believing the model, in drafts, and
// calibrationDecay what remains of the past after a draft.
const calibrationPrior, calibrationDecay = 4, 0.98

func (c *calibration) bin(chance float64) int { return min(int(chance*float64(len(c))), len(c)-1) }

// apply returns the chances corrected.
func (c *calibration) apply(chances []float32) []float64 {
	out := make([]float64, len(chances))
	for i, x := range chances {
		chance := probability(x)
		b := c[c.bin(chance)]
		prior := calibrationPrior*chance + 1e-9
		out[i] = min(chance*(b.accepted+prior)/(b.expected+prior), 1)
	}
	return out
}

// learn takes in how many of the drafts verified were accepted. Those behind the
// first refused one tell nothing.
func (c *calibration) learn(chances []float32, accepted int) {
	for i, x := range chances[:min(accepted+1, len(chances))] {
		chance := probability(x)
		b := &c[c.bin(chance)]
		b.expected = b.expected*calibrationDecay + chance
		b.accepted *= calibrationDecay
		if i < accepted {
			b.accepted++
		}
	}
}

// probability makes a number of what a broken model may give.
func probability(x float32) float64 {
	if !(x > 0) {
		return 0
	}
	return min(float64(x), 1)
}
