package cuda

import "orthrus/quant"

// acts are activations of a form of int8 in device memory (kernels/act.cuh).
type acts struct {
	form    quant.Form
	at      pointer
	rows, k int
}

// Activations are stored in records of 8 rows of 256 values.
const (
	actRows   = 8
	actGroup  = 256
	actRecord = 2560
)

// actBytes is the size of rows of k values in a form of int8. Products read the records of 8, 16 or a multiple of 32 rows,
// whatever is there beyond the rows.
func actBytes(f quant.Form, rows, k int) int64 {
	switch {
	case f == quant.FormFloat:
		return 0
	case rows <= 2*actRows:
		rows = ceil(rows, actRows) * actRows
	default:
		rows = ceil(rows, 4*actRows) * 4 * actRows
	}
	return int64(rows/actRows) * int64(ceil(k, actGroup)) * actRecord
}

func ceil(n, by int) int { return (n + by - 1) / by }

// actsArgs is struct Acts.
type actsArgs struct {
	at      pointer
	form    quant.Form
	rows, k int32
	groups  int32
}

func (a acts) args() actsArgs {
	return actsArgs{a.at, a.form, int32(a.rows), int32(a.k), int32(ceil(a.k, actGroup))}
}

// quantizeArgs is struct QuantizeArgs.
type quantizeArgs struct {
	dst actsArgs
	src pointer
}

// quantize sets dst to src in dst's form, with the bits of quant.Act.
func quantize(d device, dst acts, src matrix) error {
	const warps = 8
	args := quantizeArgs{dst.args(), src.at}
	return launch(d, "quantize", [3]int{dst.rows, 1, 1}, 32*min(warps, ceil(dst.k, actGroup)), 0, &args)
}
