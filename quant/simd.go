//go:build amd64

package quant

import (
	"sync"
	"unsafe"

	"orthrus/gguf"
)

// simd holds the assembly kernels of an instruction set with vectors of so many float32 lanes. Pointers are to
// the first of the values, strides between rows are in bytes, lengths in values.
type simd struct {
	lanes int

	columns   int // the number of activation rows that the kernels for quantized weights take at once, if there are as many
	quantized [gguf.Q6_K + 1]quantKernels
	// storeTile stores tileRows values to n rows of y, or adds them.
	storeTile func(y *float32, stride int, acc *float32, n int, add bool)
	// mulFloat[t][n-1] multiplies tiles of lanes/4 weight rows by n activation rows; n is at most lanes/4, k a
	// multiple of 16.
	mulFloat [gguf.BF16 + 1][]mulFloat

	vectors
	multiply func(rounds int) // of 8 vectors of bytes
}

// tileRows is the number of weight rows in a tile.
const tileRows = 16

// quantKernels are the kernels of a quantized type. In every step of theirs both prefetch a cache line from ahead on,
// pace bytes after the one before.
type quantKernels struct {
	// unpack fills a tile from one block of 256 values of every row, or up to 8 blocks of 32. It takes
	// a step for every cache line of a block of all rows.
	unpack func(t *tile, w *byte, stride, blocks int, ahead *byte, pace int)
	// mul continues the chains of n activation rows with the products of the tile. It takes a step for every 8 values of
	// as many rows as it takes at once, if they are at least half of columns.
	mul func(acc *float32, t *tile, a unsafe.Pointer, stride, n, blocks int, ahead *byte, pace int)
	// row, which may be nil, multiplies weight rows that follow one another by one activation row, without a tile. Rows
	// have 4 to maxRowTerms groups.
	row func(y *float32, w *byte, a unsafe.Pointer, terms *rowTerms, blocks, rows int, add bool)
}

type mulFloat func(y *float32, yStride int, w *byte, wStride int, x *float32, xStride, k, tiles int, add bool)

// kernels returns s as kernels.
func (s *simd) kernels(name string) *kernels {
	k := &kernels{
		name:   name,
		matmul: s.matmul,
		set32:  set32AVX2,
		set256: set256AVX2,
		multiply: func(rounds int) int {
			s.multiply(rounds)
			return rounds * 8 * 4 * s.lanes
		},
	}
	s.vectors.addTo(k)
	return k
}

// scratch is the memory of one call of matmul, from the first cache line on.
type scratch struct {
	tile  tile
	acc   [tileRows * rowsAtOnce]float32
	terms rowTerms
}

var scratches = sync.Pool{New: func() any {
	b := make([]byte, unsafe.Sizeof(scratch{})+63)
	return (*scratch)(unsafe.Pointer(&b[-uintptr(unsafe.Pointer(&b[0]))%64]))
}}

// matmul multiplies tiles, but for quantized weights and one activation row. Where the rows from p.from to p.to do not fill the last one, it takes rows before or
// after them too and drops their products. Matrices without enough rows for one tile and float rows whose width
// is no multiple of 16 are left to the portable kernels.
func (s *simd) matmul(p product) {
	float := p.a.form == FormFloat
	if p.from == p.to || p.a.rows == 0 {
		return
	}
	rows := len(p.w) / p.rowBytes
	if float && (p.a.k%16 != 0 || rows < s.lanes/4) || !float && rows < tileRows {
		matmulPortable(p)
		return
	}
	buf := scratches.Get().(*scratch)
	if float {
		s.matmulFloat(p, buf)
	} else if row, groups := s.quantized[p.t].row, p.a.groups(); p.a.rows == 1 && row != nil &&
		p.a.k%group == 0 && groups >= 4 && groups <= maxRowTerms {
		a, _ := p.a.group(0)
		elems, _ := p.t.Block()
		row(&p.y[p.from], &p.w[p.from*p.rowBytes], a, &buf.terms, p.a.k/elems, p.to-p.from, p.add)
	} else {
		s.matmulQuantized(p, buf)
	}
	scratches.Put(buf)
}

func (s *simd) matmulQuantized(p product, buf *scratch) {
	kern := &s.quantized[p.t]
	elems, blockBytes := p.t.Block()
	groups := p.a.groups()
	groupBytes := group / elems * blockBytes
	base, actBytes := p.a.group(0)
	stride := groups * actBytes
	rows := len(p.w) / p.rowBytes

	for r := p.from; r < p.to; r += tileRows {
		first := min(r, rows-tileRows)
		next := min(first+tileRows, rows-tileRows) // the tile to prefetch, whose rows lie together
		for i := 0; i < p.a.rows; i += rowsAtOnce {
			n := min(rowsAtOnce, p.a.rows-i)
			acc := buf.acc[:n*tileRows]
			clear(acc)
			unpackSteps := group / elems * (tileRows / s.lanes) * ((blockBytes*s.lanes + 63) / 64)
			steps := unpackSteps + (n+s.columns/2)/s.columns*(group/8)
			pace := min((groupBytes*tileRows+steps-1)/steps, 64)
			for g := range groups {
				blocks := min(group, p.a.k-g*group) / elems
				at := g * groupBytes
				ahead := next*p.rowBytes + at*tileRows
				kern.unpack(&buf.tile, &p.w[first*p.rowBytes+at], p.rowBytes, blocks, &p.w[ahead], pace)
				ahead = min(ahead+pace*unpackSteps, len(p.w)-1)
				kern.mul(&acc[0], &buf.tile, unsafe.Add(base, i*stride+g*actBytes), stride, n, blocks, &p.w[ahead], pace)
			}
			if r == first && r+tileRows <= p.to {
				s.storeTile(&p.y[i*p.stride+r], 4*p.stride, &acc[0], n, p.add)
				continue
			}
			for j := range n {
				for c := r; c < min(r+tileRows, p.to); c++ {
					p.store(c, i+j, acc[j*tileRows+c-first])
				}
			}
		}
	}
}

func (s *simd) matmulFloat(p product, buf *scratch) {
	mul, m := s.mulFloat[p.t], s.lanes/4
	k := p.a.k
	// As many weight rows are multiplied by some activation rows, then by the next ones, as stay in the L2 cache.
	const cached = 256 << 10
	step := max(1, cached/p.rowBytes/m) * m
	for r := p.from; r < p.to; r += step {
		rows := min(step, p.to-r)
		tiles := rows / m
		rest := rows % m
		last := max(r+rows-m, 0) // the tile with the rest
		for i, n := 0, 0; i < p.a.rows; i += n {
			n = min(m, p.a.rows-i)
			kernel, x := mul[n-1], &p.a.x[i*k]
			if tiles > 0 {
				kernel(&p.y[i*p.stride+r], 4*p.stride, &p.w[r*p.rowBytes], p.rowBytes, x, 4*k, k, tiles, p.add)
			}
			if rest == 0 {
				continue
			}
			kernel(&buf.acc[0], 4*m, &p.w[last*p.rowBytes], p.rowBytes, x, 4*k, k, 1, false)
			for j := range n {
				for c := r + rows - rest; c < r+rows; c++ {
					p.store(c, i+j, buf.acc[j*m+c-last])
				}
			}
		}
	}
}

func set32AVX2(dst []act32, x []float32) {
	for i := range dst {
		n := min(group, len(x)-i*group)
		quantizeAct32AVX2(&dst[i], &x[i*group], n/32)
	}
}

func set256AVX2(dst []act256, x []float32) {
	quantizeAct256AVX2(&dst[0], &x[0], len(dst))
}
