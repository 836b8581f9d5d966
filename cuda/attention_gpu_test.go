//go:build gpu

package cuda

import (
	"math/rand/v2"
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
)

// TestAttentionFar: a row's bits do not depend on the rows beside it, at positions where the size of splits changes and in
// all forms of blocks, and they are near those in float64.
func TestAttentionFar(t *testing.T) {
	d := testDevice(t)
	for _, typ := range []gguf.Type{gguf.F32, gguf.F16, gguf.Q8_0} {
		g := engine.Geometry{Heads: 8, KVHeads: 2, HeadDim: 128, Cache: typ, Rows: 256, Context: 33000}
		a := newAttention(t, d, g, rand.New(rand.NewPCG(7, 8)))
		a.fill(0, g.Context)
		q := a.Heads * a.HeadDim
		for _, pos := range []int{500, 1010, 8180, 16370, 32750} {
			all := a.pass(0, pos, 64, false)
			for _, rows := range []int{1, 2, 7, 16, 31} {
				for at := 0; at+rows <= 64; at += rows + 9 {
					if got := a.pass(0, pos+at, rows, false); !slices.Equal(got, all[at*q:][:rows*q]) {
						t.Errorf("%v, position %d: %d rows differ from the same among 64", typ, pos+at, rows)
					}
				}
			}
			n := pos + 64
			cache := a.saved(0, n)
			half := len(cache) / 2
			for _, i := range []int{0, 13, 63} {
				if d := distance(all[i*q:][:q], a.want(pos+i, cache[:half], cache[half:], n, pos+i+1)); !(d < 5e-3) {
					t.Errorf("%v, position %d: off by %g", typ, pos+i, d)
				}
			}
		}
	}
}
