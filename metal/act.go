package metal

import "orthrus/quant"

// acts are activations of a form of int8 (kernels/act.h). The zero acts are none.
type acts struct {
	form            quant.Form
	q, scales, sums binding
	rows, k         int
}

// actRows is the number of rows of a tile, which is as large as if all were there.
const actRows = 8

// actBytes is the size of rows of k values in a form of int8: integers as halves, scales, sums. There is room for whole
// blocks of 256, which keeps the three aligned.
func actBytes(f quant.Form, rows, k int) (q, scales, sums int64) {
	n := int64(ceil(rows, actRows)) * actRows * int64(ceil(k, 256)) * 256
	switch f {
	case quant.Form32:
		return 2 * n, 4 * n / 32, 0
	case quant.Form256:
		return 2 * n, 4 * n / 256, 4 * n / 32
	}
	return 0, 0, 0
}

// newActs places acts at a buffer of their own.
func newActs(f quant.Form, b buffer, rows, k int) acts {
	q, scales, _ := actBytes(f, rows, k)
	a := acts{form: f, q: at(b, 0), scales: at(b, q), sums: at(b, 0), rows: rows, k: k}
	if f == quant.Form256 {
		a.sums = at(b, q+scales)
	}
	return a
}

// of is rows of k values in a's memory, which has room for them.
func (a acts) of(rows, k int) acts {
	a.rows, a.k = rows, k
	return a
}

type quantizeArgs struct{ form, k int32 }

// quantize sets dst to src in dst's form, with the bits of quant.Act.
func quantize(l *list, dst acts, src matrix) {
	launch(l, "quantize", [3]int{ceil(dst.k, 256), dst.rows, 1}, simd, quantizeArgs{int32(dst.form), int32(dst.k)}, src.at, dst.q, dst.scales, dst.sums)
}
