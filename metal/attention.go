package metal

import (
	"fmt"

	"orthrus/engine"
	"orthrus/gguf"
)

// Tiles of attention have tileKeys keys; a threadgroup takes tileQueries queries and tilesAtOnce tiles (kernels/attention.h).
const (
	tileKeys    = 256
	tileQueries = 8
	tilesAtOnce = 4
)

// partBytes is the largest part of the memory that holds the parts of tiles until they are merged.
const partBytes = 64 << 20

// parts is the memory of attention.
type parts struct {
	tiles buffer // parts of tiles
	kept  buffer // sums between two rounds of tiles
}

// tileBytes are the parts of one tile for so many rows.
func tileBytes(g engine.Geometry, rows int) int64 {
	return 4 * int64(rows*g.Heads) * int64(g.HeadDim+2)
}

// partsBytes are the sizes of what parts holds.
func partsBytes(g engine.Geometry) (tiles, kept int64) {
	all := int64(ceil(g.Context, tileKeys) + ceil(g.Rows, tileKeys))
	one := tileBytes(g, g.Rows)
	return max(one, min(all*one, partBytes)), int64(g.Rows*g.Heads*g.HeadDim/8) * 40
}

// attendArgs is struct AttendArgs.
type attendArgs struct {
	rows, heads, kvHeads, dim int32
	blocks                    int32
	tiles                     int32
	from, to                  int32
	causal                    int32
	scale                     float32
	_                         [2]int32
}

type mergeArgs struct {
	attend                    attendArgs
	first, last, floats, form int32
}

// attention is one Attend: of rows over a layer's cache, and over the block's own keys and values if it has some.
type attention struct {
	rows    int
	layer   int
	q, k, v matrix
}

// attend adds the dispatches of an attention whose rows see at most so many tiles of the cache. Parts of as many tiles as
// there is memory for are computed, and then merged.
func (c *context) attend(l *list, a attention, tiles int, out outputs) {
	g := c.Geometry
	args := attendArgs{rows: int32(a.rows), heads: int32(g.Heads), kvHeads: int32(g.KVHeads), dim: int32(g.HeadDim),
		blocks: int32(c.cache.blocks), tiles: int32(tiles), causal: flag(a.k.at.buffer == nil), scale: c.scale}
	all := tiles
	if a.k.at.buffer != nil {
		all += ceil(a.rows, tileKeys)
	}
	round := int(int64(len(c.parts.tiles.bytes())) / tileBytes(g, a.rows))
	for from := 0; from < all; from += round {
		to := min(from+round, all)
		args.from, args.to = int32(from), int32(to)
		n := 0
		tile := func(kind string, count int, keys, values binding) {
			if count <= 0 {
				return
			}
			groups := [3]int{ceil(count, tilesAtOnce), ceil(a.rows*g.Heads/g.KVHeads, tileQueries), g.KVHeads}
			launch(l, fmt.Sprintf("attend_%s_%d", kind, ceil(g.HeadDim, 128)), groups, tilesAtOnce*simd, args,
				c.control.header(), a.q.at, keys, values, at(c.parts.tiles, 0))
			n++
		}
		tile(g.Cache.String(), min(to, tiles)-from, at(c.cache.keys[a.layer], 0), at(c.cache.values[a.layer], 0))
		tile("rows", to-max(from, tiles), a.k.at, a.v.at)
		l.beside(n)

		width := g.Heads * g.HeadDim
		o := out.args(width)
		m := mergeArgs{args, flag(from == 0), flag(to == all), o.floats, o.form}
		launch(l, "merge", [3]int{ceil(width, 256), a.rows, 1}, simd, m, append([]binding{
			c.control.header(), at(c.parts.tiles, 0), at(c.parts.kept, 0)}, out.bindings(at(c.parts.kept, 0))...)...)
	}
}

// cacheTypes are the types of a cache, by CacheType of cache.h.
var cacheTypes = map[gguf.Type]int32{gguf.F32: 0, gguf.F16: 1, gguf.Q8_0: 2}

type headsArgs struct {
	heads, kvHeads, dim int32
	store, cache        int32
	blocks              int32
	eps                 float32
	_                   int32
}

// heads norms and rotates the heads of q and k; with store, keys and values go to the layer's cache.
func (c *context) heads(l *list, layer int, q, k, v matrix, qNorm, kNorm binding, store bool) {
	g := c.Geometry
	a := headsArgs{heads: int32(g.Heads), kvHeads: int32(g.KVHeads), dim: int32(g.HeadDim), store: flag(store),
		cache: cacheTypes[g.Cache], blocks: int32(c.cache.blocks), eps: g.Eps}
	heads := g.Heads + g.KVHeads
	if store {
		heads += g.KVHeads
	}
	const headsAtOnce = 4
	launch(l, "heads", [3]int{ceil(heads, headsAtOnce), q.rows, 1}, headsAtOnce*simd, a, c.control.header(), at(c.rotations.memory, 0),
		q.at, k.at, v.at, qNorm, kNorm, at(c.cache.keys[layer], 0), at(c.cache.values[layer], 0))
}
