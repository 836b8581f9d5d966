package engine

// costs is what passes cost in seconds, by rows, as timed of late. The views cost
// the same but for a few per cent: a pass of one tells of the other.
type costs struct {
	all     [maxCosts]float64 // estimates, 0 if nothing was timed
	seconds [maxCosts]float64 // of those timed, else 0
	last    [maxCosts]float64 // the last times
	times   [maxCosts]int     // how many there were
}

// maxCosts is beyond the rows that are told apart.
const maxCosts = 65

// shape is how costs grow with rows where nothing is known.
func shape(rows int) float64 { return 1 + float64(rows)/12 }

// at returns the cost of a pass, 0 if nothing was timed.
func (c *costs) at(rows int) float64 { return c.all[min(rows, maxCosts-1)] }

// estimate sets the costs of all passes. Between row counts timed it interpolates
// the cost over its shape, beyond them it keeps that; a pass of fewer rows costs no
// more than one of more.
func (c *costs) estimate() {
	level := func(n int) float64 { return c.seconds[n] / shape(n) }
	below := 0 // the last row count timed
	for above := 1; above < maxCosts; above++ {
		if c.seconds[above] == 0 {
			continue
		}
		for n := below; n <= above; n++ {
			l := level(above)
			if below > 0 {
				l = level(below) + float64(n-below)/float64(above-below)*(l-level(below))
			}
			c.all[n] = l * shape(n)
		}
		below = above
	}
	for n := below; n < maxCosts; n++ {
		c.all[n] = level(below) * shape(n)
	}
	for n := below; n > 0; n-- {
		c.all[n-1] = min(c.all[n-1], c.all[n])
	}
}

// learn takes in the time of a pass. All passes seem to have become slower by some
// of what this one has: what slows one, a longer context or a disturbance of the
// machine, slows the others. Of two times in a row the shorter one counts. The
// first, which may be that of cold caches, counts until there is another, up to
// twice what other row counts let expect.
func (c *costs) learn(rows int, seconds float64) {
	rows, seconds = min(rows, maxCosts-1), max(seconds, 1e-9)
	known := c.seconds[rows]
	c.times[rows]++
	if known == 0 {
		c.last[rows] = seconds
		if guess := c.at(rows); guess > 0 {
			seconds = min(seconds, 2*guess)
		}
		c.seconds[rows] = seconds
		c.estimate()
		return
	}
	shorter := min(seconds, c.last[rows])
	c.last[rows] = seconds
	c.seconds[rows] += max(minOwn, 1/float64(c.times[rows]-1)) * (shorter - known)
	if c.times[rows] > 2 {
		c.scale(1 + newDrift*(max(0.8, min(shorter/known, 1.25))-1))
	}
	c.estimate()
}

// How much a time counts for all passes, and for those of its rows at least.
const newDrift, minOwn = 0.2, 0.1

// scale multiplies all costs.
func (c *costs) scale(factor float64) {
	for n := range c.seconds {
		c.seconds[n] *= factor
		c.last[n] *= factor
	}
}
