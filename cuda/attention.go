package cuda

import (
	"fmt"
	"math"
)

// queryTile is the least number that divides the queries which a block of attention takes.
const queryTile = 128

// queryRows is how many queries of a kv head there is room for.
func (s *state) queryRows(rows int) int { return ceil(rows*s.group(), queryTile) * queryTile }

// queryBytes is what the queries of a kv head take: float32 for an f32 cache, else halves.
func (s *state) queryBytes(rows int) int64 {
	return int64(s.queryRows(rows)) * int64(s.HeadDim) * s.partElem()
}

func (s *state) group() int { return s.Heads / s.KVHeads }

// partElem is the size of an element of queries and parts.
func (s *state) partElem() int64 {
	if s.cache.t == cacheF32 {
		return 4
	}
	return 2
}

type rotationArgs struct {
	control, frequencies, angles pointer
	half                         int32
	scale                        float32
}

// rotations prepares the rotations of the next pass, at the position in the control block.
func rotations(d device, s *state, rows int) error {
	return launch(d, "rotations", [3]int{rows, 1, 1}, 64, 0, &rotationArgs{
		s.control.at, s.frequencies, s.angles, int32(s.HeadDim / 2), s.Rope.Scale,
	})
}

const headWarps = 4

// manyHeads is the number of rows from which on a warp takes a head of eight; below, warps would be too few.
var manyHeads = 256

type headsArgs struct {
	control, angles           pointer
	q, k, v                   pointer
	qNorm, kNorm              pointer
	queries                   pointer
	keys, values              pointer
	headBytes                 int64
	rows, heads, kvHeads, dim int32
	queryRows                 int32
	t                         cacheType
	block                     int32
	eps, scale                float32
	group                     int32
}

// heads norms and rotates q and k and leaves the queries where attend reads them, and keys and values in the layer's
// cache or, without store, in the block beside it. q, k and v stay as they are.
func heads(d device, s *state, layer int, q, k, v matrix, qNorm, kNorm pointer, store bool) error {
	c := s.cache
	if !store {
		c, layer = s.block, 0
	}
	a := headsArgs{
		control: s.control.at, angles: s.angles, q: q.at, k: k.at, v: v.at, qNorm: qNorm, kNorm: kNorm,
		queries: s.queries, keys: c.keys(layer), values: c.values(layer), headBytes: c.headBytes(),
		rows: int32(q.rows), heads: int32(s.Heads), kvHeads: int32(s.KVHeads), dim: int32(s.HeadDim), group: int32(s.group()),
		queryRows: int32(s.queryRows(q.rows)), t: c.t, eps: s.Eps,
		// Scores are to base 2.
		scale: float32(math.Log2E / math.Sqrt(float64(s.HeadDim))),
	}
	if !store {
		a.block = 1
	}
	kernel, parts := "heads", q.rows
	if s.HeadDim == 128 && c.t == cacheF16 && q.rows >= manyHeads {
		kernel, parts = "heads8", ceil(q.rows, 8)+1 // the first may begin in the middle
	}
	return launch(d, kernel, [3]int{ceil(parts*(s.Heads+2*s.KVHeads), headWarps), 1, 1}, 32*headWarps, 0, &a)
}

// splits is struct Splits of attention.cuh: how a row's keys are cut.
type splits struct {
	few, least, most int32
}

// cut is part of what an answer depends on: another one gives other bits.
var cut = splits{few: 16, least: 256, most: 33}

// last is the largest number of positions that are cut to splits of this size.
func (s splits) last(keys int) int {
	if keys < int(s.least) {
		return keys * int(s.few)
	}
	return keys * int(s.most)
}

// count is the largest number of splits of a row, of a context and of a block of rows.
func (s splits) count(context, rows int) (most int) {
	for keys := tileKeys; ; keys = s.next(keys) {
		seen := min(s.last(keys), context)
		most = max(most, ceil(seen, keys)+ceil(rows, keys))
		if seen == context {
			return most
		}
	}
}

// next is the size of splits behind those of keys.
func (s splits) next(keys int) int {
	if keys < int(s.least) {
		return 2 * keys
	}
	return keys + tileKeys
}

// Attention takes as many rows at a time as this leaves room for their parts, in bytes: 128 of an 8B model in a long context. Tests lower it.
var partsBytes = 72 << 20

// takeParts decides on the rows that attention takes at a time, a multiple of 16 so that they begin with whole tiles of queries,
// or all, and returns what their parts take: values, peak and sum of every head in every split.
func (s *state) takeParts() (bytes int64) {
	row := s.splits.count(s.Context, s.Rows) * s.Heads * (s.HeadDim*int(s.partElem()) + 8)
	s.rowsAtOnce = min(s.Rows, max(16, partsBytes/row/16*16))
	return max(int64(s.rowsAtOnce)*int64(row), 4*int64(s.Rows*s.Heads*s.HeadDim)) // or the rows themselves, for attendWhole
}

type attendArgs struct {
	control                  pointer
	queries                  pointer
	keys, values             pointer
	blockKeys, blockValues   pointer
	out, parts               pointer
	queryBytes               int64
	headBytes, blockBytes    int64
	firstRow, rows, passRows int32
	heads, kvHeads           int32
	group, dim               int32
	splits                   splits
	ahead                    span
}

// attendArgs are for all rows of a pass, with a cache alone and no place for the results.
func (s *state) attendArgs(layer, rows int) attendArgs {
	return attendArgs{
		control: s.control.at, queries: s.queries, keys: s.cache.keys(layer), values: s.cache.values(layer),
		queryBytes: s.queryBytes(rows), headBytes: s.cache.headBytes(), rows: int32(rows), passRows: int32(rows),
		heads: int32(s.Heads), kvHeads: int32(s.KVHeads), group: int32(s.group()), dim: int32(s.HeadDim), splits: s.splits,
	}
}

type mergeArgs struct {
	control                  pointer
	out, parts               pointer
	dst                      pointer
	acts                     actsArgs
	firstRow, rows, passRows int32
	heads, dim               int32
	block                    int32
	splits                   splits
	room                     int32
	ahead                    span
}

// attend computes grouped-query attention for what heads has prepared of the rows of a pass: causally, or with block
// every row attends to the cache before the first row's position and to all rows. A dst or q at 0 is left out.
func attend(d device, s *state, layer int, dst matrix, q acts, block bool, ahead span) error {
	if rows := max(dst.rows, q.rows); !block && s.whole(d.properties(), rows) {
		return attendWhole(d, s, layer, dst, q)
	}
	return attendBy(s.attendForm, d, s, layer, dst, q, block, ahead)
}

// wholeForm is that of attendWhole.
func (s *state) wholeForm() attendForm {
	return attendForm{fmt.Sprintf("whole_%s_%d", s.cache.t.name(), s.HeadDim), 16 * attendWarps}
}

// whole tells whether the rows of a prompt are so many that attendWhole keeps the GPU busy: it has no splits to share out, so that
// fewer blocks than find room leave multiprocessors half empty for as long as the longest takes.
func (s *state) whole(p properties, rows int) bool {
	return s.cache.t != cacheF32 && s.KVHeads*ceil(rows*s.group(), s.wholeForm().queries) >= p.multiprocessors*3/2
}

// attendWhole is attend in prompts, with the same bits: a block goes over all that its queries see (kernels/attendwhole.cuh).
func attendWhole(d device, s *state, layer int, dst matrix, q acts) error {
	rows := max(dst.rows, q.rows)
	if dst.at == 0 {
		dst = matrix{s.scratch.at, rows, s.Heads * s.HeadDim}
	}
	a := s.attendArgs(layer, rows)
	a.out = dst.at
	// Where the size of splits changes, a group of queries comes twice; blocks beyond the first find it.
	f := s.wholeForm()
	blocks := s.KVHeads * ceil(rows*s.group(), f.queries)
	if err := launch(d, f.kernel, [3]int{blocks, 1, 1}, 32*attendWarps, f.shared(s), &a); err != nil || q.at == 0 {
		return err
	}
	return quantize(d, q, dst)
}

// attendBy is attend with blocks of the form that is chosen for a number of queries a kv head.
func attendBy(form func(queries int) attendForm, d device, s *state, layer int, dst matrix, q acts, block bool, ahead span) error {
	rows := max(dst.rows, q.rows)
	width := s.Heads * s.HeadDim
	for first := 0; first < rows; first += s.rowsAtOnce {
		n := min(rows-first, s.rowsAtOnce)
		out := s.scratch.at
		parts := out + pointer(int64(n)*int64(s.splits.count(s.Context, s.Rows))*int64(width)*s.partElem())
		a := s.attendArgs(layer, rows)
		a.queries += pointer(int64(first*s.group()*s.HeadDim) * s.partElem())
		a.firstRow, a.rows, a.out, a.parts, a.ahead = int32(first), int32(n), out, parts, ahead
		m := mergeArgs{
			control: s.control.at, out: out, parts: parts, acts: q.args(), firstRow: int32(first), rows: int32(n), passRows: int32(rows),
			heads: int32(s.Heads), dim: int32(s.HeadDim), splits: s.splits, room: int32(s.splits.count(s.Context, s.Rows)), ahead: ahead,
		}
		if dst.at != 0 {
			m.dst = dst.row(first)
		}
		if block {
			a.blockKeys, a.blockValues, a.blockBytes = s.block.keys(0), s.block.values(0), s.block.headBytes()
			m.block = 1
		}
		f := form(n * s.group())
		if err := launch(d, f.kernel, [3]int{f.blocks(d.properties(), s, n), 1, 1}, 32*attendWarps, f.shared(s), &a); err != nil {
			return err
		}
		merge := "merge"
		if s.cache.t == cacheF32 {
			merge = "merge_f32"
		}
		shares := 8 * int(m.room) * (actGroup/s.HeadDim + 2)
		if err := launch(d, merge, [3]int{n*ceil(width, actGroup) + spare(ahead), 1, 1}, mergeThreads, shares, &m); err != nil {
			return err
		}
		ahead = span{}
	}
	return nil
}

const mergeThreads = actGroup / 4

// attendForm is the form of a block of attention. It changes no bit of the results.
type attendForm struct {
	kernel  string
	queries int // of a block
}

// attendWarps is how many a block of attention has, in any form.
const attendWarps = 4

// attendForm chooses one for a number of queries a kv head, as BenchmarkAttentionForms found on an H100. With few queries most
// warps only fetch.
func (s *state) attendForm(queries int) attendForm {
	if s.cache.t == cacheF32 {
		return attendForm{"attend_f32", 16}
	}
	tiles := 1
	if s.cache.t == cacheQ8 && queries > 64 {
		tiles = 2
	}
	return attendForm{fmt.Sprintf("attend_%s_%d_%d", s.cache.t.name(), s.HeadDim, tiles), 16 * tiles * attendWarps}
}

// shared is the shared memory of a block: its queries and tiles of keys and values, two of each on tensor cores, one of which is of
// halves and the other as it lies in the cache.
func (f attendForm) shared(s *state) int {
	if s.cache.t == cacheF32 {
		return 4 * (f.queries*s.HeadDim + tileKeys*(2*s.HeadDim+1))
	}
	return 2*f.queries*s.HeadDim + 2*tileKeys*(2*s.HeadDim+int(s.cache.rowBytes))
}

// blocks fills the GPU, and no more: a block goes from work to work. If it can, it stays with the same queries.
func (f attendForm) blocks(p properties, s *state, rows int) int {
	const reserved = 1 << 10 // of shared memory, by every block
	most := 2                // that there are registers for
	if s.cache.t == cacheF32 {
		most = 6
	}
	groups := func(queries int) int { return s.KVHeads * ceil(rows*s.group(), queries) }
	blocks := p.multiprocessors * max(1, min((p.shared+reserved)/(f.shared(s)+reserved), most))
	if n := groups(f.queries); blocks > n {
		blocks = blocks / n * n
	}
	// Where keys are few, a block of two tiles of queries a warp takes one.
	return min(blocks, s.splits.count(s.Context, s.Rows)*groups(min(f.queries, 16*attendWarps)))
}
