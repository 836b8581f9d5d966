package gguf

import (
	"math"
	"testing"
)

func TestTypeNames(t *testing.T) {
	named := 0
	for id := range types {
		typ := Type(id)
		elems, bytes := typ.Block()
		if types[id].name == "" {
			if elems != 0 || bytes != 0 {
				t.Errorf("%v: a block of %d elements and %d bytes", typ, elems, bytes)
			}
			continue
		}
		named++
		if elems <= 0 || bytes <= 0 {
			t.Errorf("%v: a block of %d elements and %d bytes", typ, elems, bytes)
		}
		if name := typ.String(); name != types[id].name {
			t.Errorf("%d is %q, want %q", id, name, types[id].name)
		}
	}
	if named != 35 {
		t.Errorf("%d types, want 35", named)
	}
	for _, id := range []Type{4, 43, math.MaxUint32} {
		if elems, bytes := id.Block(); elems != 0 || bytes != 0 {
			t.Errorf("%v: a block of %d elements and %d bytes", id, elems, bytes)
		}
	}
	if got := Type(math.MaxUint32).String(); got != "type 4294967295" {
		t.Error(got)
	}
}

func TestRowBytes(t *testing.T) {
	for _, c := range []struct {
		typ     Type
		k, want int // 0: an error
	}{
		{F32, 1, 4}, {BF16, 3, 6}, {Q4_0, 64, 36}, {Q8_0, 32, 34}, {Q4_K, 512, 288}, {Q5_K, 256, 176}, {Q6_K, 256, 210},
		{Q4_K, 255, 0}, {Q8_0, 33, 0}, {F32, 0, 0}, {F32, -4, 0}, {4, 32, 0}, {99, 32, 0},
		{F32, math.MaxInt, 0}, {I64, math.MaxInt/8 + 1, 0}, {I64, math.MaxInt / 8, math.MaxInt - 7},
	} {
		if got, err := c.typ.RowBytes(c.k); got != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("%v.RowBytes(%d) = %d, %v, want %d", c.typ, c.k, got, err, c.want)
		}
	}
}

func TestBytes(t *testing.T) {
	for _, c := range []struct {
		typ  Type
		dims []int
		want int // 0: an error
	}{
		{F32, []int{3}, 12}, {Q4_K, []int{256, 3}, 432}, {F16, []int{2, 3, 5, 7}, 420},
		{F32, nil, 0}, {F32, []int{1, 1, 1, 1, 1}, 0}, {F32, []int{0}, 0}, {F32, []int{4, 0}, 0}, {F32, []int{4, -1}, 0},
		{Q8_0, []int{16, 2}, 0}, {5, []int{1}, 0}, {F32, []int{1 << 40, 1 << 40}, 0}, {F32, []int{1 << 30, 1 << 20, 1 << 11}, 0},
	} {
		if got, err := (TensorInfo{"x", c.typ, c.dims}).Bytes(); got != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("%v of %v: %d, %v, want %d", c.typ, c.dims, got, err, c.want)
		}
	}
}
