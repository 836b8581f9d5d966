package cuda

import (
	"encoding/binary"
	"fmt"
	"math"

	"orthrus/engine"
	"orthrus/gguf"
)

// state is what a context has in device memory beside its buffers. The kernels of this package know where things are
// from it.
type state struct {
	engine.Geometry
	splits      splits
	control     control
	frequencies pointer // Rope.InvFreq
	angles      pointer // [Rows][HeadDim/2] of {cos, sin}, of the running pass
	queries     pointer // [kv head][queryRows][HeadDim], of the layer that runs
	block       cache   // one layer: the keys and values of a diffusion block
	rowsAtOnce  int     // of a pass that attention takes
	scratch     span    // the parts of attention, or rows on their way to a session file
	cache       cache
}

// checkGeometry tells what the kernels cannot do.
func checkGeometry(g engine.Geometry) error {
	if g.Cache == gguf.F32 {
		if g.HeadDim%8 != 0 || g.HeadDim > 128 {
			return fmt.Errorf("head dim %d: an f32 cache on a GPU takes multiples of 8 up to 128: use -b cpu", g.HeadDim)
		}
	} else if g.HeadDim != 32 && g.HeadDim != 64 && g.HeadDim != 128 {
		return fmt.Errorf("head dim %d: a GPU takes 32, 64 and 128: use --cache-type f32 or -b cpu", g.HeadDim)
	}
	return nil
}

// regions places pieces of memory one after the other.
type regions struct{ at, end pointer }

func (r *regions) take(bytes int64) pointer {
	const alignment = 256
	p := r.end
	r.end += pointer((bytes + alignment - 1) / alignment * alignment)
	return p
}

// stateBytes are the bytes of a state in device and in pinned memory.
func stateBytes(g engine.Geometry) (device, pinned int64) {
	var s state
	end := s.place(g, 0)
	_, pinned = controlBytes(g.Rows)
	return int64(end), pinned
}

// place lays a state out from address at on and returns its end.
func (s *state) place(g engine.Geometry, at pointer) (end pointer) {
	r := regions{at, at}
	*s = state{Geometry: g, splits: cut}
	bytes, _ := controlBytes(g.Rows)
	s.control = control{at: r.take(bytes), rows: g.Rows, surveys: r.take(surveyBytes(g.Rows, g.Vocab))}
	half := int64(g.HeadDim / 2)
	s.frequencies = r.take(4 * half)
	s.angles = r.take(8 * half * int64(g.Rows))
	s.block = newCache(g, 1, g.Rows)
	s.block.at = r.take(s.block.bytes())
	s.cache = newCache(g, g.Layers, g.Context)
	s.cache.at = r.take(s.cache.bytes())
	s.queries = r.take(int64(g.KVHeads) * s.queryBytes(g.Rows))
	s.scratch.bytes = s.takeParts()
	s.scratch.at = r.take(s.scratch.bytes)
	return r.end
}

// newState makes a state in zeroed memory of stateBytes.
func newState(d device, g engine.Geometry, at, pinned pointer) (*state, error) {
	s := new(state)
	s.place(g, at)
	s.control.pinned = pinned
	frequencies := make([]byte, 0, 4*len(g.Rope.InvFreq))
	for _, f := range g.Rope.InvFreq {
		frequencies = binary.LittleEndian.AppendUint32(frequencies, math.Float32bits(f))
	}
	return s, d.upload(s.frequencies, frequencies)
}
