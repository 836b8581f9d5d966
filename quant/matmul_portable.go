package quant

import (
	"encoding/binary"

	"orthrus/gguf"
)

// rowsAtOnce is the number of activation rows that a weight row, unpacked once, is multiplied by.
const rowsAtOnce = 64

// matmulPortable multiplies weights of all types.
func matmulPortable(p product) {
	var acc [rowsAtOnce]float32
	for r := p.from; r < p.to; r++ {
		for i := 0; i < p.a.rows; i += rowsAtOnce {
			acc := acc[:min(rowsAtOnce, p.a.rows-i)]
			clear(acc)
			switch p.a.form {
			case FormFloat:
				p.dotsFloat(acc, r, i)
			case Form32:
				p.dots32(acc, r, i)
			case Form256:
				p.dots256(acc, r, i)
			}
			for j, v := range acc {
				p.store(r, i+j, v)
			}
		}
	}
}

// dots32 adds to acc[i] the product of q8_0 or q4_0 weight row r with activation row first+i.
func (p *product) dots32(acc []float32, r, first int) {
	n := p.a.groups()
	w := p.row(r)
	_, bytes := p.t.Block()
	var q [32]int8
	for b := 0; len(w) > 0; b, w = b+1, w[bytes:] {
		d := F16ToF32(binary.LittleEndian.Uint16(w))
		if p.t == gguf.Q8_0 {
			for i, v := range w[2:bytesQ8_0] {
				q[i] = int8(v)
			}
		} else {
			for i, v := range w[2:bytesQ4_0] {
				q[i], q[16+i] = int8(v&15)-8, int8(v>>4)-8
			}
		}
		for i := range acc {
			a := &p.a.b32[(first+i)*n+b/8]
			j := b % 8
			acc[i] = FMA(float32(d*a.d[j]), float32(dotInt8(q[:], a.q[32*j:][:32])), acc[i])
		}
	}
}

// block256 is an unpacked block of the k types. The scales of q4_k and q5_k, one for 32 values, stand twice.
type block256 struct {
	q       [superBlock]int8
	scale   [superBlock / 16]int32
	min     [superBlock / 32]int32 // 0 in q6_k
	d, dmin float32
}

// dots256 is dots32 for q4_k, q5_k and q6_k weights.
func (p *product) dots256(acc []float32, r, first int) {
	n := p.a.groups()
	w := p.row(r)
	_, bytes := p.t.Block()
	var b block256
	for g := range n {
		switch w := w[g*bytes:][:bytes]; p.t {
		case gguf.Q4_K:
			unpackQ4K(&b, w)
		case gguf.Q5_K:
			unpackQ5K(&b, w)
		case gguf.Q6_K:
			unpackQ6K(&b, w)
		}
		for i := range acc {
			a := &p.a.b256[(first+i)*n+g]
			var dots, mins int32
			for j, s := range b.scale {
				dots += s * dotInt8(b.q[16*j:][:16], a.q[16*j:][:16])
			}
			acc[i] = FMA(float32(b.d*a.d), float32(dots), acc[i])
			if p.t == gguf.Q6_K {
				continue
			}
			for j, m := range b.min {
				mins += m * int32(a.sum32[j])
			}
			acc[i] = FMA(-float32(b.dmin*a.d), float32(mins), acc[i])
		}
	}
}

func dotInt8(x, y []int8) (s int32) {
	y = y[:len(x)]
	for i, v := range x {
		s += int32(v) * int32(y[i])
	}
	return s
}

// unpackHeader unpacks what q4_k and q5_k blocks begin with.
func unpackHeader(b *block256, w []byte) {
	b.d = F16ToF32(binary.LittleEndian.Uint16(w))
	b.dmin = F16ToF32(binary.LittleEndian.Uint16(w[2:]))
	packed := scalesMins(w[4:])
	for j := range b.min {
		s, m := packed.get(j)
		b.scale[2*j], b.scale[2*j+1], b.min[j] = int32(s), int32(s), int32(m)
	}
}

func unpackQ4K(b *block256, w []byte) {
	unpackHeader(b, w)
	for i, v := range w[16:bytesQ4K] {
		j := 64*(i/32) + i%32
		b.q[j], b.q[j+32] = int8(v&15), int8(v>>4)
	}
}

func unpackQ5K(b *block256, w []byte) {
	unpackHeader(b, w)
	high := w[16:48]
	for i, v := range w[48:bytesQ5K] {
		j := 64*(i/32) + i%32
		h := high[i%32] >> (2 * (i / 32))
		b.q[j], b.q[j+32] = int8(v&15|h&1<<4), int8(v>>4|h>>1&1<<4)
	}
}

func unpackQ6K(b *block256, w []byte) {
	b.d = F16ToF32(binary.LittleEndian.Uint16(w[208:]))
	for j := range b.scale {
		b.scale[j] = int32(int8(w[192+j]))
	}
	for half := range 2 {
		q := b.q[128*half:][:128]
		low, high := w[64*half:][:64], w[128+32*half:][:32]
		for i, h := range high {
			q[i] = int8(low[i]&15|h&3<<4) - 32
			q[32+i] = int8(low[32+i]&15|h>>2&3<<4) - 32
			q[64+i] = int8(low[i]>>4|h>>4&3<<4) - 32
			q[96+i] = int8(low[32+i]>>4|h>>6<<4) - 32
		}
	}
}

// dotsFloat is dots32 for f32, f16 and bf16 weights.
func (p *product) dotsFloat(acc []float32, r, first int) {
	w := p.row(r)
	var l [rowsAtOnce]lanes
	var buf [group]float32
	for k := 0; k < p.a.k; k += group {
		x := buf[:min(group, p.a.k-k)]
		loadFloats(p.t, x, w, k)
		for i := range acc {
			l[i].add(x, p.a.x[(first+i)*p.a.k+k:])
		}
	}
	for i := range acc {
		acc[i] = l[i].sum()
	}
}

// loadFloats converts the values of a row of a float type from the k-th on.
func loadFloats(t gguf.Type, dst []float32, row []byte, k int) {
	switch t {
	case gguf.F32:
		dequantizeF32(dst, row[4*k:])
	case gguf.F16:
		dequantizeF16(dst, row[2*k:])
	case gguf.BF16:
		dequantizeBF16(dst, row[2*k:])
	}
}
