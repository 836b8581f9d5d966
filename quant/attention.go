package quant

import (
	"fmt"
	"math"
	"unsafe"

	"orthrus/gguf"
)

// What attention needs: scores are KeyDots, their weights a Softmax, the weighted values AXPYRows, and ScaleAXPY
// puts parts together. Keys and values are of a cache's type: f32, f16 or q8_0.

// KeyBlock is the number of keys that lie together in a cache, value by value, so that a vector holds the same value
// of several keys. A block takes as many bytes as KeyBlock rows of the type:
//
//	f32, f16    dim x 64 values
//	q8_0        dim/32 x (64 scales, 32 x 64 int8)
const KeyBlock = 64

// PutKey makes row, a row of type t, key i of keys. Different keys may be put concurrently, which is slow inside one
// block.
func PutKey(t gguf.Type, keys []byte, i int, row []byte) {
	block := keys[i/KeyBlock*KeyBlock*len(row):][:KeyBlock*len(row)]
	i %= KeyBlock
	switch t {
	case gguf.F32:
		scatter[uint32](block, row, i)
	case gguf.F16:
		scatter[uint16](block, row, i)
	case gguf.Q8_0:
		for ; len(row) > 0; row, block = row[bytesQ8_0:], block[KeyBlock*bytesQ8_0:] {
			scatter[uint16](block, row[:2], i)
			scatter[uint8](block[KeyBlock*2:], row[2:bytesQ8_0], i)
		}
	default:
		panic(fmt.Sprintf("quant: no keys of %v", t))
	}
}

// scatter makes the values of row the i-th of every KeyBlock values of block.
func scatter[T uint8 | uint16 | uint32](block, row []byte, i int) {
	size := int(unsafe.Sizeof(T(0)))
	dst := unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(block))), len(block)/size)[i:]
	for j, v := range unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(row))), len(row)/size) {
		dst[KeyBlock*j] = v
	}
}

// Key copies key i of keys to row, as PutKey was given it.
func Key(t gguf.Type, keys []byte, i int, row []byte) {
	block := keys[i/KeyBlock*KeyBlock*len(row):][:KeyBlock*len(row)]
	i %= KeyBlock
	switch t {
	case gguf.F32:
		for j := 0; j < len(row); j += 4 {
			copy(row[j:j+4], block[KeyBlock*j+4*i:])
		}
	case gguf.F16:
		for j := 0; j < len(row); j += 2 {
			copy(row[j:j+2], block[KeyBlock*j+2*i:])
		}
	case gguf.Q8_0:
		for ; len(row) > 0; row, block = row[bytesQ8_0:], block[KeyBlock*bytesQ8_0:] {
			copy(row[:2], block[2*i:])
			for j := 2; j < bytesQ8_0; j++ {
				row[j] = block[KeyBlock*j+i]
			}
		}
	default:
		panic(fmt.Sprintf("quant: no keys of %v", t))
	}
}

// keyProduct is a checked call of KeyDots.
type keyProduct struct {
	dst    []float32
	stride int
	keys   []byte
	blocks int
	q      []float32
	dim, n int
}

// KeyDots computes dst[i*stride+j], for queries i < n and all keys j, as the chain of fused multiply-adds from 0 over
// the values of query q[i*dim:][:dim] and key j in ascending order. keys holds whole blocks, as PutKey left them. It
// panics if the sizes do not fit.
func KeyDots(dst []float32, stride int, t gguf.Type, keys []byte, q []float32, dim, n int) {
	row := cacheRow(t, dim)
	blocks := len(keys) / (KeyBlock * row)
	count := KeyBlock * blocks
	if count*row != len(keys) || n < 0 || len(q) < n*dim || n > 0 && (stride < count || len(dst) < (n-1)*stride+count) {
		panic(fmt.Sprintf("quant: %d bytes of keys of %d %v do not multiply %d queries in %d values into %d values at stride %d",
			len(keys), dim, t, n, len(q), len(dst), stride))
	}
	if t == gguf.Q8_0 {
		active.keyDotsQ8_0(keyProduct{dst, stride, keys, blocks, q, dim, n})
		return
	}
	// A block is a matrix whose rows, values of its keys, are to be weighted by those of the queries.
	for b := range blocks {
		for i := range n {
			clear(dst[i*stride+b*KeyBlock:][:KeyBlock])
		}
		if n > 0 {
			active.axpyRows(weightedRows{dst[b*KeyBlock:], stride, q, dim, n, t, keys[b*KeyBlock*row:], KeyBlock * row / dim, dim, KeyBlock})
		}
	}
}

// cacheRow returns the bytes of a key or value of dim values.
func cacheRow(t gguf.Type, dim int) int {
	row, err := t.RowBytes(dim)
	if err != nil || dim <= 0 || t != gguf.F32 && t != gguf.F16 && t != gguf.Q8_0 {
		panic(fmt.Sprintf("quant: no keys or values of %d %v", dim, t))
	}
	return row
}

func keyDotsQ8_0(p keyProduct) {
	row := make([]byte, cacheRow(gguf.Q8_0, p.dim))
	key := make([]float32, p.dim)
	for j := range p.blocks * KeyBlock {
		Key(gguf.Q8_0, p.keys, j, row)
		dequantizeQ8_0(key, row)
		for i := range p.n {
			var acc float32
			for d, q := range p.q[i*p.dim:][:p.dim] {
				acc = FMA(q, key[d], acc)
			}
			p.dst[i*p.stride+j] = acc
		}
	}
}

// Softmax multiplies the values of x by scale, finds the largest, peak, replaces each by Exp of its difference to
// peak, and returns peak and the sum of the new values. The order of the sum is that of Dot.
func Softmax(x []float32, scale float32) (peak, sum float32) {
	return active.softmax(x, scale)
}

func softmax(x []float32, scale float32) (peak, sum float32) {
	peak = float32(math.Inf(-1))
	for i := range x {
		x[i] *= scale
		peak = max(peak, x[i])
	}
	var l lanes
	for i := range x {
		x[i] = Exp(x[i] - peak)
		l[i%len(l)] += x[i]
	}
	return peak, l.sum()
}

// weightedRows is a checked call of AXPYRows.
type weightedRows struct {
	y          []float32
	yStride    int
	p          []float32
	pStride, n int
	t          gguf.Type
	v          []byte
	vStride    int
	rows       int
	width      int
}

// AXPYRows adds weighted rows of v to n rows of y, each of width values: y[i] = FMA(p[i*pStride+j], v[j], y[i]) for
// j = 0, 1, ..., rows-1 in turn. Row j of v, of type t, begins at byte j*vStride. It panics if the sizes do not fit.
func AXPYRows(y []float32, p []float32, pStride, n int, t gguf.Type, v []byte, vStride, rows, width int) {
	size := cacheRow(t, width)
	fits := func(x, stride, n, width int) bool {
		return n == 0 || n > 0 && stride >= width && x >= (n-1)*stride+width
	}
	if rows < 0 || !fits(len(y), width, n, width) || !fits(len(p), pStride, n, rows) || !fits(len(v), vStride, rows, size) {
		panic(fmt.Sprintf("quant: %d rows of %d %v in %d bytes at stride %d and %d weights at stride %d do not add to %d rows in %d values",
			rows, width, t, len(v), vStride, len(p), pStride, n, len(y)))
	}
	active.axpyRows(weightedRows{y, width, p, pStride, n, t, v, vStride, rows, width})
}

func axpyRowsPortable(r weightedRows) {
	x := make([]float32, r.width)
	size := cacheRow(r.t, r.width)
	for j := range r.rows {
		if row := r.v[j*r.vStride:][:size]; r.t == gguf.Q8_0 {
			dequantizeQ8_0(x, row)
		} else {
			loadFloats(r.t, x, row, 0)
		}
		for i := range r.n {
			a, y := r.p[i*r.pStride+j], r.y[i*r.yStride:][:r.width]
			for c, v := range x {
				y[c] = FMA(a, v, y[c])
			}
		}
	}
}

// ScaleAXPY sets y[i] = FMA(a, x[i], y[i] * scale); x and y have the same length.
func ScaleAXPY(y []float32, scale, a float32, x []float32) {
	mustEqual(len(x), len(y))
	active.scaleAXPY(y, scale, a, x)
}

func scaleAXPY(y []float32, scale, a float32, x []float32) {
	for i, v := range x {
		y[i] = FMA(a, v, float32(y[i]*scale))
	}
}
