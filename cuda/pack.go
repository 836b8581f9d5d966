package cuda

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"

	"orthrus/gguf"
)

// Weights on the device lie in tiles of 16 rows, quantized ones in the order of kernels/weights.cuh, float ones in that of
// kernels/float.cuh.
const tileRows = 16

// tiles is the number of tiles that rows take, the last one perhaps part-filled.
func tiles(rows int) int { return ceil(rows, tileRows) }

// packer packs weights of a type.
type packer struct {
	// bytes is the size of a tile of rows of cols values.
	bytes func(cols int) int
	// tile packs up to 16 rows into dst, which is zero. Rows beyond the matrix are empty.
	tile func(dst []byte, rows *[tileRows][]byte)
}

var packers = map[gguf.Type]packer{
	gguf.F32:  floatPacker(4),
	gguf.F16:  floatPacker(2),
	gguf.BF16: floatPacker(2),
	gguf.Q8_0: unitPacker(4*1024+256, 8*34, packQ8_0),
	gguf.Q4_0: unitPacker(4*512+256, 8*18, packQ4_0),
	gguf.Q4_K: unitPacker(4*512+256, 144, packQ4_K),
	gguf.Q5_K: unitPacker(4*640+256, 176, packQ5_K),
	gguf.Q6_K: unitPacker(4*768+288, 210, packQ6_K),
}

// packedBytes is the size on the device of a matrix of quant's types, a multiple of its tiles.
func packedBytes(t gguf.Type, rows, cols int) int64 {
	return int64(tiles(rows)) * int64(packers[t].bytes(cols))
}

// packTiles packs tiles [from, to) of a matrix into dst, which is as long as they are.
func packTiles(dst []byte, t gguf.Type, src []byte, rows, cols, from, to int) {
	p := packers[t]
	rowBytes, err := t.RowBytes(cols)
	size := p.bytes(cols)
	if err != nil || from < 0 || from > to || to > tiles(rows) || len(src) != rows*rowBytes || len(dst) != (to-from)*size {
		panic(fmt.Sprintf("cuda: tiles [%d, %d) of %d x %d %v in %d bytes do not pack into %d",
			from, to, rows, cols, t, len(src), len(dst)))
	}
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := from + w; i < to; i += workers {
				var tile [tileRows][]byte
				for r := range min(tileRows, rows-tileRows*i) {
					tile[r] = src[(tileRows*i+r)*rowBytes:][:rowBytes]
				}
				out := dst[(i-from)*size:][:size]
				clear(out)
				p.tile(out, &tile)
			}
		})
	}
	wg.Wait()
}

// floatPacker is for float types of some bytes a value, 2 or 4. Of each row, 256 bytes at a time are transposed, so that lane
// j of 16 has values j, j+16, j+32, ... in 16 bytes. The last 256 bytes are filled with zeros.
func floatPacker(bytes int) packer {
	const chunk = 256
	rowBytes := func(cols int) int { return ceil(cols*bytes, chunk) * chunk }
	transpose := func(out, in []byte) {
		for i := 0; i < len(in); i += 16 * bytes {
			values := in[i:min(len(in), i+16*bytes)]
			for j := 0; j < len(values); j += bytes {
				if at := j/bytes*16 + i/16; bytes == 2 {
					binary.LittleEndian.PutUint16(out[at:], binary.LittleEndian.Uint16(values[j:]))
				} else {
					putWord(out[at:], word(values[j:]))
				}
			}
		}
	}
	return packer{
		func(cols int) int { return tileRows * rowBytes(cols) },
		func(dst []byte, rows *[tileRows][]byte) {
			size := len(dst) / tileRows
			for r, row := range rows {
				for i := 0; i < len(row); i += chunk {
					transpose(dst[r*size+i:][:chunk], row[i:min(len(row), i+chunk)])
				}
			}
		},
	}
}

// unitPacker is for quantized types: a tile is a unit for every 256 values, which pack makes of the 16 rows' parts. groupBytes
// is the size of 256 values in the file. The last part of a row may be shorter.
func unitPacker(unit, groupBytes int, pack func(dst []byte, rows *[tileRows][]byte)) packer {
	return packer{
		func(cols int) int { return ceil(cols, actGroup) * unit },
		func(dst []byte, rows *[tileRows][]byte) {
			var parts [tileRows][]byte
			for i := range len(dst) / unit {
				for r, row := range rows {
					parts[r] = row[min(len(row), i*groupBytes):min(len(row), (i+1)*groupBytes)]
				}
				pack(dst[i*unit:][:unit], &parts)
			}
		},
	}
}

// pairs calls put for each word of 4 values of rows g and g+8: at k, which is a multiple of 4 below 256. In its chunk of 64,
// lane has the word as its i-th of 4.
func pairs(rows *[tileRows][]byte, put func(low, high []byte, k, lane, i int)) {
	for g := range 8 {
		for k := 0; k < actGroup; k += 4 {
			put(rows[g], rows[g+8], k, 4*g+k/4%4, k/16%4)
		}
	}
}

func word(p []byte) uint32          { return binary.LittleEndian.Uint32(p) }
func putWord(p []byte, word uint32) { binary.LittleEndian.PutUint32(p, word) }

// packScales copies the scales of q8_0 and q4_0, with which each of their blocks begins.
func packScales(head []byte, rows *[tileRows][]byte, blockBytes int) {
	for r, row := range rows {
		for b := 0; b < len(row)/blockBytes; b++ {
			copy(head[((b/4*tileRows+r)*4+b%4)*2:][:2], row[b*blockBytes:])
		}
	}
}

func packQ8_0(dst []byte, rows *[tileRows][]byte) {
	at := func(row []byte, k int) uint32 {
		if row = row[min(len(row), k/32*34):]; len(row) == 0 {
			return 0
		}
		return word(row[2+k%32:])
	}
	pairs(rows, func(low, high []byte, k, lane, i int) {
		out := dst[k/64*1024+i/2*512+16*lane+i%2*8:]
		putWord(out, at(low, k))
		putWord(out[4:], at(high, k))
	})
	packScales(dst[4*1024:], rows, 34)
}

func packQ4_0(dst []byte, rows *[tileRows][]byte) {
	at := func(row []byte, k int) uint32 {
		if row = row[min(len(row), k/32*18):]; len(row) == 0 {
			return 0
		}
		return word(row[2+k%16:])>>(k%32/16*4)&0x0f0f0f0f ^ 0x08080808 // q - 8
	}
	pairs(rows, func(low, high []byte, k, lane, i int) {
		putWord(dst[k/64*512+16*lane+4*i:], at(low, k)|at(high, k)<<4)
	})
	packScales(dst[4*512:], rows, 18)
}

// nibblesK are the low 4 bits of 4 values, of a q4_k or q5_k block's bytes that hold them.
func nibblesK(low []byte, k int) uint32 {
	if len(low) == 0 {
		return 0
	}
	return word(low[k/64*32+k%32:]) >> (k % 64 / 32 * 4) & 0x0f0f0f0f
}

// packHead packs what q4_k and q5_k blocks begin with: d, dmin, and 12 bytes of scales and mins (quant's scalesMins).
func packHead(head []byte, rows *[tileRows][]byte) {
	for r, row := range rows {
		if len(row) == 0 {
			continue
		}
		out, p := head[16*r:][:16], row[4:16]
		copy(out, row[:4])
		for j := range 4 {
			// Scales j and 4+j, mins j and 4+j.
			s0, m0 := p[j]&63, p[4+j]&63
			s4, m4 := p[8+j]&15|p[j]>>6<<4, p[8+j]>>4|p[4+j]>>6<<4
			out[4+j] = s0 | m0>>4<<6
			out[8+j] = s4 | m4>>4<<6
			out[12+j] = m0&15 | m4<<4
		}
	}
}

func packQ4_K(dst []byte, rows *[tileRows][]byte) {
	at := func(row []byte, k int) uint32 { return nibblesK(row[min(len(row), 16):], k) }
	pairs(rows, func(low, high []byte, k, lane, i int) {
		putWord(dst[k/64*512+16*lane+4*i:], at(low, k)|at(high, k)<<4)
	})
	packHead(dst[4*512:], rows)
}

func packQ5_K(dst []byte, rows *[tileRows][]byte) {
	at := func(row []byte, k int) uint32 {
		if len(row) == 0 {
			return 0
		}
		return nibblesK(row[48:], k) | word(row[16+k%32:])>>(k/32)&0x01010101<<4
	}
	pairs(rows, func(low, high []byte, k, lane, i int) {
		chunk := dst[k/64*640:]
		a, b := at(low, k), at(high, k)
		putWord(chunk[16*lane+4*i:], a&0x0f0f0f0f|b>>1&0x0f0f0f0f<<4)
		rest := chunk[512+4*lane:]
		putWord(rest, word(rest)|(b&0x01010101|a>>4&0x01010101<<1)<<(2*i))
	})
	packHead(dst[4*640:], rows)
}

func packQ6_K(dst []byte, rows *[tileRows][]byte) {
	at := func(row []byte, k int) uint32 {
		if len(row) == 0 {
			return 0
		}
		low := word(row[k/128*64+k%64:]) >> (k % 128 / 64 * 4) & 0x0f0f0f0f
		high := word(row[128+k/128*32+k%32:]) >> (k % 128 / 32 * 2) & 0x03030303
		return (low | high<<4) ^ 0x20202020 // q - 32
	}
	pairs(rows, func(low, high []byte, k, lane, i int) {
		chunk := dst[k/64*768:]
		a, b := at(low, k), at(high, k)
		putWord(chunk[16*lane+4*i:], a>>2&0x0f0f0f0f|b>>2&0x0f0f0f0f<<4)
		rest := chunk[512+8*lane+i/2*4:]
		putWord(rest, word(rest)|(a&0x03030303|b&0x03030303<<2)<<(i%2*4))
	})
	head := dst[4*768:]
	for r, row := range rows {
		if len(row) > 0 {
			copy(head[16*r:][:16], row[192:])
			copy(head[256+(r%8*2+r/8)*2:][:2], row[208:])
		}
	}
}
