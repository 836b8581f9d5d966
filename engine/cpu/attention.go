package cpu

import (
	"math"
	"unsafe"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/quant"
)

// tile is the number of positions that are scored together. Tiles begin at
// multiples of it, so that a row meets the same ones in every pass.
const tile = 64

// rowsPerUnit is how many rows of a pass one thread attends with at a time.
const rowsPerUnit = 32

// attention is a thread's scratch memory. A query is one head of one row.
type attention struct {
	queries quant.Act
	scores  []float32 // [queries][tile], then the weights
	out     []float32 // [queries][HeadDim], not yet divided by sum
	peak    []float32 // [queries], largest score so far
	sum     []float32 // [queries], sum of exp(score - peak)
	k, v    []float32 // [tile][HeadDim], of a q8_0 tile or a block's own rows
}

// Attend goes over the keys and values once for up to rowsPerUnit rows and all
// the query heads that share a kv head: softmax(q k^T / sqrt(HeadDim)) v, tile by
// tile with a running maximum (Milakov and Gimelshein, 2018, "Online normalizer
// calculation for softmax"). A row's result depends on its own tiles alone.
func (r *recorder) Attend(layer int, dst, q, k, v engine.Buffer) {
	c, d, qb := r.context, dst.(*buffer), q.(*buffer)
	var kb, vb *buffer
	if k != nil {
		kb, vb = k.(*buffer), v.(*buffer)
	}
	units := (qb.rows + rowsPerUnit - 1) / rowsPerUnit
	r.add(func() {
		c.pool.run(units*c.KVHeads, func(thread, i int) {
			u := unit{
				context: c, attention: &c.workers[thread].attention,
				kvHead: i % c.KVHeads, from: i / c.KVHeads * rowsPerUnit,
			}
			u.to = min(u.from+rowsPerUnit, qb.rows)
			u.load(qb)
			if kb == nil {
				u.cached(layer, c.pos+u.to, true)
			} else {
				u.cached(layer, c.pos, false)
				u.block(kb, vb)
			}
			u.finish(d)
		})
	})
}

// unit is the work of one thread: rows [from, to) and the heads of one kv head.
type unit struct {
	*context
	*attention
	kvHead, from, to int
}

func (u *unit) group() int { return u.Heads / u.KVHeads }
func (u *unit) count() int { return (u.to - u.from) * u.group() }

// head is query n's part of a row-wise buffer.
func (u *unit) head(b *buffer, n int) []float32 {
	h := u.kvHead*u.group() + n%u.group()
	return b.row(u.from + n/u.group())[h*u.HeadDim : (h+1)*u.HeadDim]
}

func (u *unit) load(q *buffer) {
	n := u.count()
	u.queries.Reset(gguf.F32, n, u.HeadDim)
	for i := range n {
		u.queries.Set(i, u.head(q, i))
	}
	u.scores = resize(u.scores, n*tile)
	u.out = resize(u.out, n*u.HeadDim)
	u.peak, u.sum = resize(u.peak, n), resize(u.sum, n)
	u.k, u.v = resize(u.k, tile*u.HeadDim), resize(u.v, tile*u.HeadDim)
	clear(u.out)
	clear(u.sum)
	for i := range u.peak {
		u.peak[i] = float32(math.Inf(-1))
	}
}

// cached attends to the cache's positions before end; causal rows stop at their
// own position.
func (u *unit) cached(layer, end int, causal bool) {
	t, size := u.cache.t, u.cache.rowBytes
	keys := u.cache.head(u.cache.k[layer], u.kvHead)
	values := u.cache.head(u.cache.v[layer], u.kvHead)
	for at := 0; at < end; at += tile {
		seen := func(int) int { return min(end-at, tile) }
		if causal {
			seen = func(n int) int { return min(max(u.pos+u.from+n/u.group()+1-at, 0), tile) }
		}
		k := keys[at*size : (at+tile)*size]
		v := values[at*size : (at+min(end-at, tile))*size]
		if t == gguf.Q8_0 {
			rows := len(v) / size
			quant.Dequantize(t, u.k, k)
			quant.Dequantize(t, u.v[:rows*u.HeadDim], v)
			u.tile(gguf.F32, bytesOf(u.k), bytesOf(u.v[:rows*u.HeadDim]), seen)
		} else {
			u.tile(t, k, v, seen)
		}
	}
}

// block attends to the rows of the block itself.
func (u *unit) block(k, v *buffer) {
	for at := 0; at < k.rows; at += tile {
		n := min(k.rows-at, tile)
		clear(u.k[n*u.HeadDim:])
		for i := range n {
			from, to := u.kvHead*u.HeadDim, (u.kvHead+1)*u.HeadDim
			copy(u.k[i*u.HeadDim:], k.row(at + i)[from:to])
			copy(u.v[i*u.HeadDim:], v.row(at + i)[from:to])
		}
		u.tile(gguf.F32, bytesOf(u.k), bytesOf(u.v[:n*u.HeadDim]), func(int) int { return n })
	}
}

// tile takes in one tile: k holds tile rows (those not seen may hold anything
// finite or not), v those that some query sees. seen is the number of rows that
// a query sees.
func (u *unit) tile(t gguf.Type, k, v []byte, seen func(query int) int) {
	n := u.count()
	quant.MatMul(u.scores, tile, t, k, u.HeadDim, 0, tile, &u.queries, false)
	scale := float32(1 / math.Sqrt(float64(u.HeadDim)))
	for i := range n {
		row, visible := u.scores[i*tile:(i+1)*tile], seen(i)
		clear(row[visible:]) // weight 0: an exact no-op
		if visible == 0 {
			continue
		}
		row = row[:visible]
		peak := u.peak[i]
		for j := range row {
			row[j] *= scale
			peak = max(peak, row[j])
		}
		for j := range row {
			row[j] -= peak
		}
		quant.ExpSlice(row, row)
		var sum float32
		for _, p := range row {
			sum += p
		}
		if shrink := quant.Exp(u.peak[i] - peak); shrink != 1 {
			out := u.out[i*u.HeadDim : (i+1)*u.HeadDim]
			for j := range out {
				out[j] *= shrink
			}
			u.sum[i] *= shrink
		}
		u.sum[i] += sum
		u.peak[i] = peak
	}
	quant.AXPYRows(u.out, u.HeadDim, u.scores, tile, n, t, v, u.HeadDim)
}

func (u *unit) finish(dst *buffer) {
	for i := range u.count() {
		out, inv := u.head(dst, i), 1/u.sum[i]
		for j, x := range u.out[i*u.HeadDim : (i+1)*u.HeadDim] {
			out[j] = x * inv
		}
	}
}

func resize(s []float32, n int) []float32 {
	if cap(s) < n {
		return make([]float32, n)
	}
	return s[:n]
}

// bytesOf views floats as the bytes of f32 rows.
func bytesOf(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*4)
}
