package cuda

import (
	"math"
	"math/rand/v2"
	"testing"

	"orthrus/gguf"
	"orthrus/quant"
)

// packed reads the values of a packed tile where kernels/weights.cuh says that they are.
type packed struct {
	t    gguf.Type
	tile []byte
	cols int
}

func (p packed) half(at int) float32 {
	return quant.F16ToF32(uint16(p.tile[at]) | uint16(p.tile[at+1])<<8)
}

// value is value k of a row.
func (p packed) value(row, k int) float32 {
	switch p.t {
	case gguf.F32:
		return math.Float32frombits(word(p.tile[p.floatAt(row, k, 4):]))
	case gguf.F16:
		return p.half(p.floatAt(row, k, 2))
	case gguf.BF16:
		at := p.floatAt(row, k, 2)
		return math.Float32frombits(uint32(p.tile[at])<<16 | uint32(p.tile[at+1])<<24)
	}
	chunkBytes := map[gguf.Type]int{gguf.Q8_0: 1024, gguf.Q4_0: 512, gguf.Q4_K: 512, gguf.Q5_K: 640, gguf.Q6_K: 768}[p.t]
	unit := k / 256 * (packers[p.t].bytes(p.cols) / ceil(p.cols, 256))
	k %= 256
	chunk, head := unit+k/64*chunkBytes, unit+4*chunkBytes
	g, upper := row%8, row/8
	i, t, n := k/16%4, k/4%4, k%4 // word, lane 4g+t, byte
	lane := 4*g + t
	nibble := int(p.tile[chunk+16*lane+4*i+n]) >> (4 * upper) & 15
	switch p.t {
	case gguf.Q8_0:
		q := int8(p.tile[chunk+i/2*512+16*lane+4*(i%2*2+upper)+n])
		return p.half(head+((k/128*16+row)*4+k/32%4)*2) * float32(q)
	case gguf.Q4_0:
		return p.half(head+((k/128*16+row)*4+k/32%4)*2) * float32(int8(nibble<<4)>>4)
	case gguf.Q6_K:
		rest := int(p.tile[chunk+512+8*lane+i/2*4+n]) >> (4*(i%2) + 2*upper) & 3
		q := int8(nibble<<4|rest<<2) >> 2
		return p.half(head+256+(2*g+upper)*2) * float32(int8(p.tile[head+16*row+k/16])) * float32(q)
	}
	q, h, j := nibble, p.tile[head+16*row:][:16], k/32
	if p.t == gguf.Q5_K {
		rest := int(p.tile[chunk+512+4*lane+n]) >> (2 * i) & 3
		if q |= rest >> 1 << 4; upper == 1 {
			q = nibble<<1 | rest&1
		}
	}
	scale, min := h[4+j]&63, h[12+j%4]>>(j/4*4)&15|h[4+j]>>6<<4
	return p.half(head+16*row)*float32(scale)*float32(q) - p.half(head+16*row+2)*float32(min)
}

// floatAt is where value k of a row of a float type is.
func (p packed) floatAt(row, k, bytes int) int {
	perLane := 16 / bytes
	return row*len(p.tile)/tileRows + k/(16*perLane)*256 + k%16*16 + k/16%perLane*bytes
}

func TestPack(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for typ := range packers {
		elems, _ := typ.Block()
		for _, size := range []struct{ rows, cols int }{{1, elems}, {16, 768}, {37, 512 + elems}} {
			x := make([]float32, size.rows*size.cols)
			for i := range x {
				x[i] = float32(rng.NormFloat64())
			}
			rowBytes, err := typ.RowBytes(size.cols)
			if err != nil {
				t.Fatal(err)
			}
			src := make([]byte, size.rows*rowBytes)
			quant.Quantize(typ, src, x)
			quant.Dequantize(typ, x, src)

			n := tiles(size.rows)
			dst := make([]byte, packedBytes(typ, size.rows, size.cols))
			for i := range dst {
				dst[i] = 0xa5
			}
			each := len(dst) / n
			packTiles(dst[:each], typ, src, size.rows, size.cols, 0, 1)
			packTiles(dst[each:], typ, src, size.rows, size.cols, 1, n)
			for i, want := range x {
				row, k := i/size.cols, i%size.cols
				p := packed{typ, dst[row/tileRows*each:][:each], size.cols}
				if got := p.value(row%tileRows, k); math.Float32bits(got) != math.Float32bits(want) {
					t.Fatalf("%v, %d x %d: value %d of row %d is %g, want %g", typ, size.rows, size.cols, k, row, got, want)
				}
			}
			// Rows that are not there are zero.
			for row := size.rows; row < n*tileRows; row++ {
				for k := range size.cols {
					p := packed{typ, dst[row/tileRows*each:][:each], size.cols}
					if got := p.value(row%tileRows, k); got != 0 {
						t.Fatalf("%v, %d x %d: value %d of row %d is %g", typ, size.rows, size.cols, k, row, got)
					}
				}
			}
		}
	}
}

func BenchmarkPack(b *testing.B) {
	for _, typ := range []gguf.Type{gguf.Q8_0, gguf.Q4_K, gguf.Q6_K, gguf.BF16} {
		b.Run(typ.String(), func(b *testing.B) {
			const rows, cols = 1024, 4096
			rowBytes, _ := typ.RowBytes(cols)
			src, dst := make([]byte, rows*rowBytes), make([]byte, packedBytes(typ, rows, cols))
			b.SetBytes(int64(len(src)))
			for range b.N {
				packTiles(dst, typ, src, rows, cols, 0, tiles(rows))
			}
		})
	}
}
