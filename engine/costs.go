package engine

// costs is what passes of a view cost in seconds, by rows, as timed of late.
type costs struct {
	seconds [maxCosts]float64 // 0: not timed yet
	last    [maxCosts]float64 // the last times
	passes  int
	cold    bool // the first pass may wait for the disk: forget it when there is another
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

// learn takes in the time of a pass. Of two in a row the shorter one counts, so
// that a moment's disturbance of the machine decides nothing.
func (c *costs) learn(rows int, seconds float64) {
	if c.passes++; c.passes == 2 && c.cold {
		c.seconds = [maxCosts]float64{}
	}
	rows = min(rows, maxCosts-1)
	known := c.seconds[rows]
	if known == 0 {
		if guess := c.at(rows); guess > 0 {
			seconds = min(seconds, 2*guess)
		}
		c.seconds[rows], c.last[rows] = seconds, seconds
		return
	}
	counts := min(seconds, c.last[rows])
	c.last[rows] = seconds
	c.seconds[rows] += 0.4 * (counts - known)
	// What slows one pass, a longer context or a hotter machine, slows all.
	drift := 1 + 0.1*(max(0.8, min(counts/known, 1.25))-1)
	for n := range c.seconds {
		if n != rows {
			c.seconds[n] *= drift
		}
	}
}
