package gguf

import (
	"cmp"
	"slices"
)

// ranges is a set of numbers from 0 up, as half-open ranges that are sorted and neither overlap nor touch.
type ranges [][2]int64

// add adds the numbers from a up to b.
func (r *ranges) add(a, b int64) {
	if a >= b {
		return
	}
	// Ranges i up to j touch the new one and merge with it.
	i, _ := slices.BinarySearchFunc(*r, a, func(have [2]int64, a int64) int { return cmp.Compare(have[1], a) })
	j := i
	for ; j < len(*r) && (*r)[j][0] <= b; j++ {
		a, b = min(a, (*r)[j][0]), max(b, (*r)[j][1])
	}
	*r = slices.Replace(*r, i, j, [2]int64{a, b})
}

// covers reports whether the set is that of the numbers from 0 up to n, n > 0.
func (r ranges) covers(n int64) bool { return len(r) == 1 && r[0] == [2]int64{0, n} }
