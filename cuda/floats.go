package cuda

// floatArgs is struct FloatArgs.
type floatArgs struct {
	src     pointer
	rows, k int32
	list    [maxProducts]productArgs
	count   int32
	add     int32
}

// floatProducts multiplies by weights of float types (kernels/float.cuh). A warp takes 4 rows of weights, and 1 or 8 rows of
// src at a time.
func floatProducts(d device, src matrix, add bool, list []product) error {
	const weightRows, warps = 4, 8
	args := floatArgs{src: src.at, rows: int32(src.rows), k: int32(src.cols), add: flag(add)}
	groups := fill(&args.list, &args.count, list, func(rows int) int { return ceil(rows, weightRows) })
	kernel, columns := "floats1", 1
	if src.rows > 1 {
		kernel, columns = "floats8", 8
	}
	return launch(d, kernel, [3]int{ceil(groups, warps), ceil(src.rows, columns), 1}, 32*warps, 0, &args)
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
