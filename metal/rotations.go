package metal

import "orthrus/engine"

// rotations is a table of cosines and sines, [position][HeadDim/2] pairs, made as far as passes may come. The host makes it,
// as Metal has no float64.
type rotations struct {
	memory buffer
	rope   engine.Rope
	made   int // positions
	most   int
}

func rotationBytes(g engine.Geometry) int64 { return 4 * int64(g.Context) * int64(g.HeadDim) }

// reach makes the table up to some position. What is queued reads other parts of it.
func (r *rotations) reach(positions int) {
	half := len(r.rope.InvFreq)
	all := floatsOf(r.memory.bytes())
	for ; r.made < min(positions, r.most); r.made++ {
		pairs := all[2*r.made*half:][:2*half]
		for i := range half {
			pairs[2*i], pairs[2*i+1] = r.rope.Rotation(r.made, i)
		}
	}
}
