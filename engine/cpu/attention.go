package cpu

import (
	"math"
	"sync/atomic"
	"unsafe"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// Attention is softmax(q k^T / sqrt(HeadDim)) v for every query: one head of one row. The keys that a query sees
// are cut into tiles, at multiples of tile positions for the cache and from the block's start for its own keys. For
// each tile alone a query has a part: the largest score, the sum of exp(score - largest), and the values weighted by
// these. The parts are then merged in ascending order (Milakov and Gimelshein, 2018, "Online normalizer calculation
// for softmax"). So a query's result depends on its own tiles alone, while parts can be computed by any thread.
//
// Tests lower these two.
var (
	tile       = 1024    // positions, a multiple of quant.KeyBlock
	partValues = 1 << 20 // bounds the values of the parts that are kept before they are merged
)

// rowsPerUnit is how many rows of a pass use a tile together: all rows of a block.
const rowsPerUnit = 32

// parts are the parts of all queries for one tile.
type parts struct {
	peak, sum []float32 // [kv head][row][head of the group]
	out       []float32 // the same, each of HeadDim values
}

// attention is a thread's scratch memory.
type attention struct {
	queries []float32 // [row][head of the group][HeadDim]
	scores  []float32 // [row][head of the group][scoreStride()], then the weights
	keys    []byte    // of a block's own rows
}

// scoreStride is the distance of a query's scores from the next one's: not a multiple of 4 KB, since such addresses
// share few places of the L1 cache.
func scoreStride() int { return tile + 16 }

// attend is a recorded Attend. A run goes over rounds of tiles; what it computes first in every round are the
// parts of units, each of some rows, one kv head and a run of tiles. Whoever finishes the last of these for its rows
// and head merges them.
type attend struct {
	*context
	layer     int
	dst, q    *buffer
	k, v      *buffer // of the block, or nil
	rowGroups int

	cached     int // positions of the cache that some row sees
	tiles      int // of the cache and of the block
	from, to   int // tiles of the round
	run        int // tiles of a unit
	runs       int // units of the round for the same rows and head
	unfinished []atomic.Int32
}

func (r *recorder) Attend(layer int, dst, q, k, v engine.Buffer) {
	a := &attend{context: r.context, layer: layer, dst: dst.(*buffer), q: q.(*buffer)}
	if k != nil {
		a.k, a.v = k.(*buffer), v.(*buffer)
	}
	a.rowGroups = (a.q.rows + rowsPerUnit - 1) / rowsPerUnit
	a.unfinished = make([]atomic.Int32, a.rowGroups*a.KVHeads)
	r.add(a.do)
}

func (a *attend) do() {
	a.cached = a.pos
	if a.k == nil {
		a.cached += a.q.rows
	}
	a.tiles = (a.cached + tile - 1) / tile
	if a.k != nil {
		a.tiles += (a.k.rows + tile - 1) / tile
	}
	queries := a.q.rows * a.Heads
	round := max(1, partValues/(queries*a.HeadDim))
	a.keep(min(round, a.tiles-1)+1, queries)
	for a.from = 0; a.from < a.tiles; a.from = a.to {
		a.to = min(a.from+round, a.tiles)
		all := (a.to - a.from) * len(a.unfinished)
		a.run = max(1, all/(16*a.pool.threads()))
		a.runs = (a.to - a.from + a.run - 1) / a.run
		for i := range a.unfinished {
			a.unfinished[i].Store(int32(a.runs))
		}
		a.pool.run(a.runs*len(a.unfinished), a.unit)
	}
}

// keep makes room for the parts of some tiles.
func (c *context) keep(tiles, queries int) {
	for len(c.parts) < tiles {
		c.parts = append(c.parts, parts{})
	}
	for i := range tiles {
		p := &c.parts[i]
		p.peak, p.sum = resize(p.peak, queries), resize(p.sum, queries)
		p.out = resize(p.out, queries*c.HeadDim)
	}
}

// part returns where the parts of a tile are kept. Those of tile 0 become the result.
func (a *attend) part(tile int) *parts {
	if tile == 0 {
		return &a.parts[0]
	}
	return &a.parts[1+tile-max(a.from, 1)]
}

// rows are the rows [from, to) of a pass, with the query heads of a kv head.
type rows struct{ kvHead, from, to int }

func (a *attend) unit(thread, i int) {
	group := i % a.rowGroups
	kvHead, run := i/a.rowGroups/a.runs, i/a.rowGroups%a.runs
	r := rows{kvHead, group * rowsPerUnit, min((group+1)*rowsPerUnit, a.q.rows)}
	from := a.from + run*a.run
	w := &a.workers[thread].attention
	a.compute(w, r, from, min(from+a.run, a.to))
	if a.unfinished[kvHead*a.rowGroups+group].Add(-1) == 0 {
		a.merge(w, r)
		if a.to == a.tiles {
			a.finish(r)
		}
	}
}

func (a *attend) group() int { return a.Heads / a.KVHeads }

// query is the index of a row's first query in the parts.
func (a *attend) query(kvHead, row int) int { return (kvHead*a.q.rows + row) * a.group() }

// seen is the number of positions of a cached tile that a row sees.
func (a *attend) seen(t, row int) int {
	end := a.cached
	if a.k == nil {
		end = a.pos + row + 1
	}
	return min(max(end-t*tile, 0), tile)
}

// compute computes the parts of tiles [from, to).
func (a *attend) compute(w *attention, r rows, from, to int) {
	g, dim := a.group(), a.HeadDim
	w.queries = w.queries[:0]
	for row := r.from; row < r.to; row++ {
		w.queries = append(w.queries, a.q.row(row)[r.kvHead*g*dim:][:g*dim]...)
	}
	w.scores = resize(w.scores, (r.to-r.from)*g*scoreStride())
	size := a.cache.rowBytes
	keys, values := a.cache.head(a.cache.k[a.layer], r.kvHead), a.cache.head(a.cache.v[a.layer], r.kvHead)
	for t := from; t < to; t++ {
		if at := t * tile; at < a.cached {
			a.tile(w, r, t, a.cache.t, keys[at*size:], values[at*size:], size, func(row int) int { return a.seen(t, row) })
			continue
		}
		at := t*tile - (a.cached+tile-1)/tile*tile // in the block
		n := min(a.k.rows-at, tile)
		w.keys = resize(w.keys, (n+quant.KeyBlock-1)/quant.KeyBlock*quant.KeyBlock*dim*4)
		for i := range n {
			quant.PutKey(gguf.F32, w.keys, i, bytesOf(a.k.row(at + i)[r.kvHead*dim:][:dim]))
		}
		a.tile(w, r, t, gguf.F32, w.keys, bytesOf(a.v.data[at*a.v.cols+r.kvHead*dim:]), a.v.cols*4, func(int) int { return n })
	}
}

// tile computes the parts of tile t, of whose keys and values, from the given ones on, each row sees some. A later
// row sees no fewer.
func (a *attend) tile(w *attention, r rows, t int, typ gguf.Type, keys, values []byte, stride int, seen func(row int) int) {
	most := seen(r.to - 1)
	for r.from < r.to && seen(r.from) == 0 {
		r.from++
	}
	if most == 0 {
		return
	}
	g, dim, scores := a.group(), a.HeadDim, scoreStride()
	n := (r.to - r.from) * g
	queries := w.queries[len(w.queries)-n*dim:]
	blocks := (most + quant.KeyBlock - 1) / quant.KeyBlock
	keyBytes, _ := typ.RowBytes(dim)
	quant.KeyDots(w.scores, scores, typ, keys[:blocks*quant.KeyBlock*keyBytes], queries, dim, n)

	p, first := a.part(t), a.query(r.kvHead, r.from)
	scale := float32(1 / math.Sqrt(float64(dim)))
	for i := range n {
		row := w.scores[i*scores:][:seen(r.from+i/g)]
		for len(row)%16 != 0 { // fast lengths; their weights are 0
			row = append(row, float32(math.Inf(-1)))
		}
		p.peak[first+i], p.sum[first+i] = quant.Softmax(row, scale)
	}

	out := p.out[first*dim:][:n*dim]
	clear(out)
	add := func(row, rows, from, to int) { // the values [from, to) to some rows
		if from < to {
			i := (row - r.from) * g
			quant.AXPYRows(out[i*dim:][:rows*g*dim], w.scores[i*scores+from:], scores, rows*g, typ, values[from*stride:], stride, to-from, dim)
		}
	}
	// What all rows see, then what a few see in common, then what each sees beyond it.
	common := seen(r.from)
	add(r.from, r.to-r.from, 0, common)
	for row, few := r.from, max(1, 6/g); row < r.to && common < most; row += few {
		few = min(few, r.to-row)
		add(row, few, common, seen(row))
		for i := 1; i < few; i++ {
			add(row+i, 1, seen(row), seen(row+i))
		}
	}
}

// merge adds the parts of the round's tiles to those of tile 0, in ascending order. With peaks m and n, n the larger,
// those of m shrink by exp(m - n).
func (a *attend) merge(w *attention, r rows) {
	all, dim, g := a.part(0), a.HeadDim, a.group()
	from, to := a.query(r.kvHead, r.from), a.query(r.kvHead, r.to)
	w.scores = w.scores[:0]
	for i := from; i < to; i++ {
		peak := all.peak[i]
		for t := max(a.from, 1); t < a.to; t++ {
			if a.sees(t, r.from+(i-from)/g) {
				p := a.part(t).peak[i]
				w.scores = append(w.scores, min(peak-p, p-peak))
				peak = max(peak, p)
			}
		}
	}
	quant.ExpSlice(w.scores, w.scores)
	shrink := w.scores
	for i := from; i < to; i++ {
		for t := max(a.from, 1); t < a.to; t++ {
			if !a.sees(t, r.from+(i-from)/g) {
				continue
			}
			p := a.part(t)
			old, new := float32(1), shrink[0]
			if p.peak[i] > all.peak[i] {
				old, new = new, old
				all.peak[i] = p.peak[i]
			}
			shrink = shrink[1:]
			all.sum[i] = float32(all.sum[i]*old) + float32(p.sum[i]*new)
			quant.ScaleAXPY(all.out[i*dim:][:dim], old, new, p.out[i*dim:][:dim])
		}
	}
}

// sees tells whether a row sees anything of a tile.
func (a *attend) sees(t, row int) bool { return t*tile >= a.cached || a.seen(t, row) > 0 }

func (a *attend) finish(r rows) {
	g, dim, all := a.group(), a.HeadDim, a.part(0)
	for row := r.from; row < r.to; row++ {
		dst := a.dst.row(row)[r.kvHead*g*dim:][:g*dim]
		first := a.query(r.kvHead, row)
		for i := range g {
			head := dst[i*dim:][:dim]
			clear(head)
			quant.ScaleAXPY(head, 1, 1/all.sum[first+i], all.out[(first+i)*dim:][:dim])
		}
	}
}

func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// bytesOf views floats as the bytes of f32 rows.
func bytesOf(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*4)
}
