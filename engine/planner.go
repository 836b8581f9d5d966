package engine

import (
	"math"
	"time"
)

// planner chooses at every step of Auto how many rows to draft and how many of
// the drafts to verify, so that the tokens per second are highest in the long
// run. It decides how fast the text comes, never what it says.
//
// A step that is expected to yield E tokens in the time of T plain steps is worth
//
//	E - rate * T
//
// tokens, where rate is the tokens of late in the time of a plain step: what the
// time would have given otherwise. Maximizing this at every step maximizes the rate
// in the long run (renewal reward). E comes from the chances that the drafts have, T
// from the passes timed so far. Plain steps are the unit of time, as the machine may
// be faster now and slower then.
//
// What a draft will see is not known before it is made: it is judged by what the
// last drafts saw. Where that misleads, as when an answer is another kind of text
// than the one before, a bound on what the drafts of an answer may lose holds the
// damage down.
type planner struct {
	costs  costs // of passes, of either view
	widths []int // rows that a step may draft, 1 for none

	tokens, time float64 // of late; their quotient is the rate

	calibration calibration
	recent      [][]float64 // chances in the last drafts, the newest last
	tail        float64     // mean of those in the last one, for drafts beyond it
	fresh       bool        // no draft yet for this answer
	answer      int         // tokens of it
	saved       float64     // plain steps, by its drafts
	idle        int         // steps since drafting last seemed to pay, or since a trial
	worth, cost []float64   // of expect, by rows
	unseen      []float64   // worth if all drafts are verified, whatever their chances
	sync        float64     // seconds that looking at the chances costs, 0 for nothing
	blind       int         // steps since it last looked
}

const (
	// How much the last step counts for the rate, and the last draft beside the
	// earlier ones, of which so many count.
	newRate, newDraft, drafts = 0.05, 0.3, 16
	// No draft is certain.
	maxTail = 0.995
	// Where drafting does not pay, a trial may cost so many tokens a step without. An
	// answer begins with one.
	trialShare = 0.005
	// What the drafts of an answer may lose: so many plain steps, and so many for each
	// of its tokens.
	maxLoss, maxLossShare = 3, 0.03
	// Rows of the first draft of all, whose cost is not known.
	firstWidth = 12
	// Steps without a look, at most, so that the passes are timed one by one at times.
	maxBlind = 15
)

func newPlanner(block int, synchronisation time.Duration) *planner {
	p := &planner{widths: []int{1}, sync: synchronisation.Seconds()}
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

// begin tells that another answer follows.
func (p *planner) begin() { p.fresh, p.answer, p.saved = true, 0, 0 }

// draft returns the rows to draft, 1 for none, of at most limit, and whether their
// chances are to be looked at before they are verified. At most verify rows can be
// verified.
func (p *planner) draft(limit, verify int) (rows int, look bool) {
	if verify < 2 || p.costs.times[1] < 2 {
		return 1, false // the first two steps tell what a row costs
	}
	if len(p.recent) == 0 {
		return min(limit, firstWidth), true
	}
	p.expect(min(limit, verify))
	worth := func(rows int) float64 {
		w := p.worth[min(rows, verify)]
		if rows > 1 {
			w -= p.rate() * p.steps(rows)
		}
		return w
	}
	lose := p.saved + maxLoss + maxLossShare*float64(p.answer)
	best, trial := 1, 0
	for _, n := range p.widths {
		if n > limit || n > 1 && p.steps(n) > lose {
			break
		}
		if worth(n) > worth(best) {
			best = n
		}
		if n > 1 && (trial == 0 || worth(n) > worth(trial)) {
			trial = n
		}
	}
	if best == 1 && trial > 1 {
		if p.idle++; p.fresh || float64(p.idle)*trialShare >= worth(1)-worth(trial) {
			best = trial
		}
	}
	if best > 1 {
		p.idle, p.fresh = 0, false
	}
	return best, p.look(min(best, verify))
}

// look says whether verifying fewer than all the rows of a draft gains what looking
// at the chances costs.
func (p *planner) look(rows int) bool {
	p.blind++
	if rows > 1 && (p.blind > maxBlind || p.worth[rows]-p.unseen[rows] >= p.rate()*p.sync/p.costs.at(1)) {
		p.blind = 0
		return true
	}
	return false
}

// expect fills p.worth: what the step can be expected to be worth if a draft of so
// many rows were made for nothing, for every number of rows up to limit.
func (p *planner) expect(limit int) {
	rate := p.rate()
	p.worth, p.unseen, p.cost = p.worth[:0], p.unseen[:0], p.cost[:0]
	for n := range limit + 1 {
		p.worth, p.unseen, p.cost = append(p.worth, 0), append(p.unseen, 0), append(p.cost, rate*p.steps(n))
	}
	// The weights 1, 1 - newDraft, ... add up to the inverse of this.
	share := newDraft / (1 - math.Pow(1-newDraft, float64(len(p.recent))))
	for i := len(p.recent) - 1; i >= 0; i-- {
		p.addWorth(share, p.recent[i])
		share *= 1 - newDraft
	}
}

// addWorth adds what the step is worth if its drafts have these chances.
func (p *planner) addWorth(share float64, chances []float64) {
	all, expected, best := 1.0, 1.0, 1-p.cost[1]
	p.worth[1] += share * best
	for n := 2; n < len(p.worth); n++ {
		chance := p.tail
		if n-2 < len(chances) {
			chance = chances[n-2]
		}
		all *= chance
		expected += all
		best = max(best, expected-p.cost[n])
		p.worth[n] += share * best
		p.unseen[n] += share * (expected - p.cost[n])
	}
}

// verify returns the rows to verify, at most limit, given the chances of the
// drafts.
func (p *planner) verify(chances []float32, limit int) int {
	known := p.calibration.apply(chances)
	rate := p.rate()
	all, expected := 1.0, 1.0 // chance that all drafts are accepted; tokens
	rows, worth := 1, 1-rate
	for n := 2; n <= min(limit, len(known)+1); n++ {
		all *= known[n-2]
		expected += all
		if w := expected - rate*p.steps(n); w > worth {
			rows, worth = n, w
		}
	}
	return rows
}

// rate is the tokens in the time of a plain step of late, and at least 1.
func (p *planner) rate() float64 {
	if p.time == 0 {
		return 1
	}
	return max(p.tokens/p.time, 1)
}

// steps is what a pass costs, in plain steps.
func (p *planner) steps(rows int) float64 { return p.costs.at(rows) / p.costs.at(1) }

// plannedStep is what came of a step.
type plannedStep struct {
	drafted, verified int           // rows; drafted is 1 without a draft
	chances           []float32     // of the drafts, as the draft pass gave them
	accepted          int           // drafts
	draftTime         time.Duration // 0 if nobody looked: then it is in verifyTime
	verifyTime        time.Duration
}

func (p *planner) learn(s plannedStep) {
	// The rate is weighed against costs, so it is made of them: a disturbance of the
	// machine must not change what pays.
	if s.drafted > 1 && s.draftTime == 0 {
		draft, verify := p.costs.at(s.drafted), p.costs.at(s.verified)
		s.draftTime = time.Duration(float64(s.verifyTime) * draft / (draft + verify))
		s.verifyTime -= s.draftTime
	}
	// As believed before: a first time may be that of cold caches.
	cost := 1.0
	if p.costs.at(1) > 0 {
		cost = p.steps(s.verified)
	}
	if s.drafted > 1 {
		cost += p.steps(s.drafted)
		p.costs.learn(s.drafted, s.draftTime.Seconds())
	}
	p.costs.learn(s.verified, s.verifyTime.Seconds())
	tokens := s.accepted + 1
	p.answer += tokens
	p.saved += float64(tokens) - cost
	p.tokens += newRate * (float64(tokens) - p.tokens)
	p.time += newRate * (cost - p.time)
	if s.drafted == 1 {
		return
	}
	p.calibration.learn(s.chances[:s.verified-1], s.accepted)

	chances := p.calibration.apply(s.chances)
	p.tail = 0
	for _, c := range chances {
		p.tail += c / float64(len(chances))
	}
	p.tail = min(p.tail, maxTail)
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
const calibrationPrior, calibrationDecay = 8, 0.995

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
