package quant

import (
	"math"
	"testing"
)

// f16Value is the definition of binary16, in float64.
func f16Value(h uint16) float64 {
	exp, frac := int(h>>10&31), float64(h&0x3ff)
	v := math.Ldexp(1024+frac, exp-25)
	switch {
	case exp == 0:
		v = math.Ldexp(frac, -24)
	case exp == 31 && frac == 0:
		v = math.Inf(1)
	case exp == 31:
		v = math.NaN()
	}
	if h>>15 == 1 {
		v = -v
	}
	return v
}

func TestF16ToF32(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		got, want := F16ToF32(h), f16Value(h)
		if math.IsNaN(want) {
			b := math.Float32bits(got)
			if got == got || b>>31 != uint32(h>>15) || b>>13&0x3ff != uint32(h&0x3ff) {
				t.Fatalf("F16ToF32(%#04x) = %#08x, want the same NaN", h, b)
			}
			continue
		}
		if float64(got) != want || math.Signbit(float64(got)) != (h>>15 == 1) {
			t.Fatalf("F16ToF32(%#04x) = %g, want %g", h, got, want)
		}
	}
}

// Every binary16 value converts back to itself, and so do its neighbourhoods: the midpoint to the next value
// goes to the even one, anything beside it to the nearer one.
func TestF32ToF16(t *testing.T) {
	for i := range 0x7c00 {
		h := uint16(i)
		lo, hi := f16Value(h), f16Value(h+1)
		if h == 0x7bff {
			hi = 65536 // where the next value would be
		}
		mid := float32((lo + hi) / 2)
		even := h + h&1
		for _, c := range []struct {
			in   float32
			want uint16
		}{
			{float32(lo), h},
			{math.Nextafter32(mid, 0), h},
			{mid, even},
			{math.Nextafter32(mid, 1e9), h + 1},
		} {
			if got := F32ToF16(c.in); got != c.want {
				t.Fatalf("F32ToF16(%g) = %#04x, want %#04x", c.in, got, c.want)
			}
			if got := F32ToF16(-c.in); got != c.want|0x8000 {
				t.Fatalf("F32ToF16(%g) = %#04x, want %#04x", -c.in, got, c.want|0x8000)
			}
		}
	}
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		in   float32
		want uint16
	}{
		{0, 0}, {inf, 0x7c00}, {-inf, 0xfc00}, {math.MaxFloat32, 0x7c00}, {65536, 0x7c00}, {nan, 0x7e00},
		{math.Float32frombits(0xff800001), 0xfe00}, {math.SmallestNonzeroFloat32, 0},
	} {
		if got := F32ToF16(c.in); got != c.want {
			t.Errorf("F32ToF16(%g) = %#04x, want %#04x", c.in, got, c.want)
		}
	}
}

func TestBF16(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f := BF16ToF32(h)
		if math.Float32bits(f) != uint32(h)<<16 {
			t.Fatalf("BF16ToF32(%#04x) = %#08x", h, math.Float32bits(f))
		}
		if f != f {
			if got := F32ToBF16(f); got != h|0x40 {
				t.Fatalf("F32ToBF16 of NaN %#04x = %#04x", h, got)
			}
			continue
		}
		if h&0x7f80 == 0x7f80 {
			if got := F32ToBF16(f); got != h {
				t.Fatalf("F32ToBF16(%g) = %#04x, want %#04x", f, got, h)
			}
			continue
		}
		at := func(low uint32) uint16 { return F32ToBF16(math.Float32frombits(uint32(h)<<16 | low)) }
		if at(0) != h || at(0x7fff) != h || at(0x8000) != h+h&1 || at(0x8001) != h+1 {
			t.Fatalf("F32ToBF16 around %#04x: %#04x %#04x %#04x %#04x", h, at(0), at(0x7fff), at(0x8000), at(0x8001))
		}
	}
	if got := F32ToBF16(math.Float32frombits(0x7f800001)); got != 0x7fc0 {
		t.Errorf("a NaN whose payload is all in the lower half became %#04x", got)
	}
}

func BenchmarkF16ToF32(b *testing.B) {
	var s float32
	for i := 0; b.Loop(); i++ {
		s += F16ToF32(uint16(i) & 0x3fff)
	}
	_ = s
}
