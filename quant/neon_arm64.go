package quant

import (
	"sync"
	"unsafe"

	"orthrus/gguf"
)

// simd holds the assembly kernels of an instruction set. Pointers are to the first of the values, strides between
// rows are in bytes, lengths in values.
type simd struct {
	vectors
	// mulFloat[t][n-1] multiplies rows of weights by n activation rows; k is a multiple of 16.
	mulFloat [gguf.BF16 + 1][3]mulFloat

	quantized [gguf.Q6_K + 1]quantKernels
	// pairs tells that a column of activations is two rows (see pair32, pair256) and not one.
	pairs bool
	// storeTile stores the chains of n activation rows, or adds them.
	storeTile func(y *float32, stride int, acc *float32, n int, add bool)
	// multiply does so many rounds of multiplyAdds.
	multiply     func(rounds int)
	multiplyAdds int
}

type mulFloat func(y *float32, yStride int, w *byte, wStride int, x *float32, xStride, k, rows int, add bool)

// tileRows is the number of weight rows in a tile, rowTile that for a single activation row.
const (
	tileRows = 8
	rowTile  = 4
)

// quantKernels are the kernels of a quantized type.
type quantKernels struct {
	// unpack fills a tile from one block of 256 values of every row, or up to 8 blocks of 32.
	unpack func(t *tile, w *byte, stride, blocks int)
	// mul continues the chains of n columns with the products of the tile.
	mul func(acc *float32, t *tile, a unsafe.Pointer, stride, n, blocks int)
	// row multiplies one activation row by tiles of weight rows, rowTile each.
	row func(y *float32, w *byte, stride int, a unsafe.Pointer, blocks, tiles int, add bool)
}

// pair32 is a group of two rows of Form32, for SMMLA.
type pair32 struct {
	q [2 * group]int8        // 8 values of one row, 8 of the other, and so on
	d [group / 32][4]float32 // the scales of both rows, twice
}

// pair256 is a group of two rows of Form256, for SMMLA.
type pair256 struct {
	q         [2 * group]int8
	high, low [2][group / 32]int8 // sum32 of either row is 128*high + low
	d         [4]float32          // the scales of both rows, twice
}

// kernels returns s as kernels.
func (s *simd) kernels(name string) *kernels {
	k := &kernels{
		name:   name,
		matmul: s.matmul,
		set32:  set32DotProd,
		set256: set256DotProd,
		multiply: func(rounds int) int {
			s.multiply(rounds)
			return rounds * s.multiplyAdds
		},
	}
	s.vectors.addTo(k)
	return k
}

// scratch is the memory of one call of matmul.
type scratch struct {
	tile    tile
	acc     [tileRows * rowsAtOnce]float32
	edge    [tileRows * rowsAtOnce]float32 // products of a tile that is stored in part
	pair32  []pair32
	pair256 []pair256
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// matmul multiplies. Where the rows from p.from to p.to do not fill the last tile, it takes rows before or after them
// too and drops their products. Matrices without enough rows for one tile and float rows whose width is no multiple
// of 16 are left to the portable kernels.
func (s *simd) matmul(p product) {
	rows := len(p.w) / p.rowBytes
	switch {
	case p.from == p.to || p.a.rows == 0:
	case p.a.form == FormFloat && p.a.k%16 == 0:
		s.matmulFloat(p)
	case p.a.form != FormFloat && p.a.rows == 1 && rows >= rowTile:
		s.matmulRow(p)
	case p.a.form != FormFloat && rows >= tileRows:
		s.matmulTiles(p)
	default:
		matmulPortable(p)
	}
}

func (s *simd) matmulFloat(p product) {
	// As many weight rows are multiplied by some activation rows, then by the next ones, as stay in the cache.
	const cached = 128 << 10
	step := max(1, cached/p.rowBytes/4) * 4
	k := p.a.k
	for r := p.from; r < p.to; r += step {
		rows := min(step, p.to-r)
		for i := 0; i < p.a.rows; i += 3 {
			n := min(3, p.a.rows-i)
			s.mulFloat[p.t][n-1](&p.y[i*p.stride+r], 4*p.stride, &p.w[r*p.rowBytes], p.rowBytes, &p.a.x[i*k], 4*k, k, rows, p.add)
		}
	}
}

// matmulRow multiplies a single activation row.
func (s *simd) matmulRow(p product) {
	mul := s.quantized[p.t].row
	elems, _ := p.t.Block()
	blocks := p.a.k / elems
	a, _ := p.a.group(0)
	tiles := (p.to - p.from) / rowTile
	if tiles > 0 {
		mul(&p.y[p.from], &p.w[p.from*p.rowBytes], p.rowBytes, a, blocks, tiles, p.add)
	}
	if r := p.from + tiles*rowTile; r < p.to {
		var y [rowTile]float32
		first := min(r, len(p.w)/p.rowBytes-rowTile)
		mul(&y[0], &p.w[first*p.rowBytes], p.rowBytes, a, blocks, 1, false)
		for ; r < p.to; r++ {
			p.store(r, 0, y[r-first])
		}
	}
}

func (s *simd) matmulTiles(p product) {
	buf := scratches.Get().(*scratch)
	kern := &s.quantized[p.t]
	elems, blockBytes := p.t.Block()
	groups := p.a.groups()
	groupBytes := group / elems * blockBytes
	rows := len(p.w) / p.rowBytes
	for i := 0; i < p.a.rows; i += rowsAtOnce {
		n := min(rowsAtOnce, p.a.rows-i)
		a, actBytes := p.a.group(i * groups)
		columns := n
		if s.pairs {
			a, actBytes = buf.pack(p.a, i, n)
			columns = (n + 1) / 2
		}
		for r := p.from; r < p.to; r += tileRows {
			first := min(r, rows-tileRows)
			clear(buf.acc[:])
			for g := range groups {
				blocks := min(group, p.a.k-g*group) / elems
				kern.unpack(&buf.tile, &p.w[first*p.rowBytes+g*groupBytes], p.rowBytes, blocks)
				kern.mul(&buf.acc[0], &buf.tile, unsafe.Add(a, g*actBytes), groups*actBytes, columns, blocks)
			}
			if r == first && r+tileRows <= p.to {
				s.storeTile(&p.y[i*p.stride+r], 4*p.stride, &buf.acc[0], n, p.add)
				continue
			}
			s.storeTile(&buf.edge[0], 4*tileRows, &buf.acc[0], n, false)
			for j := range n {
				for c := r; c < min(r+tileRows, p.to); c++ {
					p.store(c, i+j, buf.edge[j*tileRows+c-first])
				}
			}
		}
	}
	scratches.Put(buf)
}

// pack brings n rows of a from row i on to pairs, the last with itself if n is odd, and returns the address of the
// groups and the bytes of one.
func (s *scratch) pack(a *Act, i, n int) (unsafe.Pointer, int) {
	groups := a.groups()
	pairs := (n + 1) / 2
	if a.form == Form32 {
		s.pair32 = resize(s.pair32, pairs*groups)
		for j := range pairs {
			x, y := i+2*j, min(i+2*j+1, i+n-1)
			pack32I8MM(&s.pair32[j*groups], &a.b32[x*groups], &a.b32[y*groups], groups)
		}
		return unsafe.Pointer(&s.pair32[0]), int(unsafe.Sizeof(pair32{}))
	}
	s.pair256 = resize(s.pair256, pairs*groups)
	for j := range pairs {
		x, y := i+2*j, min(i+2*j+1, i+n-1)
		pack256I8MM(&s.pair256[j*groups], &a.b256[x*groups], &a.b256[y*groups], groups)
	}
	return unsafe.Pointer(&s.pair256[0]), int(unsafe.Sizeof(pair256{}))
}

func set32DotProd(dst []act32, x []float32) {
	for i := range dst {
		n := min(group, len(x)-i*group)
		quantizeAct32DotProd(&dst[i], &x[i*group], n/32)
	}
}

func set256DotProd(dst []act256, x []float32) {
	quantizeAct256DotProd(&dst[0], &x[0], len(dst))
}
