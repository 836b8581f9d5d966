package cuda

import "fmt"

// floatArgs is struct FloatArgs.
type floatArgs struct {
	src     pointer
	rows, k int32
	list    [maxProducts]productArgs
	add     int32
	_       int32
}

// floatProducts multiplies by weights of float types: one row of src by kernels/float.cuh, whose warps take 4 rows of weights, more
// by kernels/floattile.cuh, whose blocks take 32 and 8 or 16 rows of src.
func floatProducts(d device, src matrix, add bool, list []product) error {
	args := floatArgs{src: src.at, rows: int32(src.rows), k: int32(src.cols), add: flag(add)}
	if src.rows == 1 {
		const weightRows, warps = 4, 8
		groups := fill(&args.list, list, func(rows int) int { return ceil(rows, weightRows) })
		return launch(d, "floats", [3]int{ceil(groups, warps), 1, 1}, 32*warps, 0, &args)
	}
	const (
		weightRows, warps = 32, 4
		rowBytes          = 2 * 16 * 12 * 4 // shared memory for a row of src
	)
	columns := 8
	if src.rows > columns {
		columns = 16
	}
	blocks := fill(&args.list, list, func(rows int) int { return ceil(rows, weightRows) })
	kernel := fmt.Sprintf("floatTiles%d", columns)
	return launch(d, kernel, [3]int{blocks * ceil(src.rows, columns), 1, 1}, 32*warps, columns*rowBytes, &args)
}

// embedArgs is struct EmbedArgs.
type embedArgs struct {
	table, tokens, dst pointer
	format, k          int32
}

// embed sets row i of dst to row tokens[i] of table, with the bits of quant.Dequantize. tokens are int32 in device memory.
func embed(d device, dst matrix, table *weight, tokens pointer) error {
	args := embedArgs{table.at, tokens, dst.at, int32(table.t), int32(table.cols)}
	return launch(d, "embed", [3]int{dst.rows, 1, 1}, 256, 0, &args)
}
