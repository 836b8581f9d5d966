package gguf

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestRanges compares the set with an array of flags.
func TestRanges(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var r ranges
		var has [40]bool
		for range 20 {
			a := rnd.IntN(len(has))
			b := a + rnd.IntN(min(8, len(has)-a)+1)
			r.add(int64(a), int64(b))
			for i := a; i < b; i++ {
				has[i] = true
			}
			var want ranges
			for i := 0; i < len(has); i++ {
				from := i
				for i < len(has) && has[i] {
					i++
				}
				if i > from {
					want = append(want, [2]int64{int64(from), int64(i)})
				}
			}
			if !reflect.DeepEqual(r, want) {
				t.Fatalf("after adding %d to %d: %v, want %v", a, b, r, want)
			}
		}
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		r    ranges
		want bool // covers 0 to 10
	}{
		{nil, false}, {ranges{{0, 10}}, true}, {ranges{{0, 9}}, false}, {ranges{{1, 10}}, false}, {ranges{{0, 4}, {5, 10}}, false},
	} {
		if got := c.r.covers(10); got != c.want {
			t.Errorf("%v: %v", c.r, got)
		}
	}
}
