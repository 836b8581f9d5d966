package engine

// PlanAnew makes the decoder forget what it knows about drafting, but for what
// passes cost: one row, and every further row that is verified.
func (d *Decoder) PlanAnew(row, further float64) {
	d.plan = newPlanner(d.net.BlockSize, 0)
	for n := 1; n < maxCosts; n++ {
		for range 2 { // the second time replaces the first
			d.plan.costs.learn(n, row+float64(n-1)*further)
		}
	}
}
