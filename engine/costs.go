package engine

// costs is what passes cost in seconds, by rows, as timed of late. The views cost
// the same but for a few per cent: a pass of one tells of the other.
type costs struct {
	seconds [maxCosts]float64 // 0: not timed yet
	last    [maxCosts]float64 // the last times
	times   [maxCosts]int     // how many there were
}

// maxCosts is beyond the rows that are told apart.
const maxCosts = 65

// shape is how costs grow with rows where nothing is known.
func shape(rows int) float64 { return 1 + float64(rows)/12 }

// at returns the cost of a pass. Between row counts timed it interpolates the cost
// over its shape, beyond them it keeps that. It is 0 if nothing was timed.
func (c *costs) at(rows int) float64 {
	rows = min(rows, maxCosts-1)
	below, above := rows, rows
	for below > 0 && c.seconds[below] == 0 {
		below--
	}
	for above < maxCosts && c.seconds[above] == 0 {
		above++
	}
	level := func(n int) float64 { return c.seconds[n] / shape(n) }
	switch {
	case below == rows:
		return c.seconds[rows]
	case below == 0 && above == maxCosts:
		return 0
	case below == 0:
		return level(above) * shape(rows)
	case above == maxCosts:
		return level(below) * shape(rows)
	}
	part := float64(rows-below) / float64(above-below)
	return (level(below) + part*(level(above)-level(below))) * shape(rows)
}

// learn takes in the time of a pass. All passes seem to have become slower by some
// of what this one has: what slows one, a longer context or a disturbance of the
// machine, slows the others. Of two times in a row the shorter one counts. The
// first, which may be that of cold caches, counts until there is another, up to
// twice what other row counts let expect.
func (c *costs) learn(rows int, seconds float64) {
	rows = min(rows, maxCosts-1)
	known := c.seconds[rows]
	c.times[rows]++
	if known == 0 {
		c.last[rows] = seconds
		if guess := c.at(rows); guess > 0 {
			seconds = min(seconds, 2*guess)
		}
		c.seconds[rows] = seconds
		return
	}
	shorter := min(seconds, c.last[rows])
	c.last[rows] = seconds
	c.seconds[rows] += max(minOwn, 1/float64(c.times[rows]-1)) * (shorter - known)
	if c.times[rows] > 2 {
		c.scale(1 + newDrift*(max(0.8, min(shorter/known, 1.25))-1))
	}
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
