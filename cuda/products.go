package cuda

import (
	"fmt"

	"orthrus/gguf"
	"orthrus/quant"
)

// weight is a matrix on the device, packed by packTiles.
type weight struct {
	t          gguf.Type
	rows, cols int
	at         pointer
}

// span is all of the weight's memory.
func (w *weight) span() span { return span{w.at, packedBytes(w.t, w.rows, w.cols)} }

// input is what products multiply: rows of acts for quantized weights, of floats for others.
type input struct {
	floats matrix
	acts   acts
}

// product is a weight to multiply by, and where the result goes.
type product struct {
	w   *weight
	dst matrix
}

// maxProducts is the number of products of one launch.
const maxProducts = 4

// productArgs is struct Product.
type productArgs struct {
	weights, dst              pointer
	format, rows, stride, end int32
}

// productsArgs is struct ProductsArgs.
type productsArgs struct {
	acts   actsArgs
	list   [maxProducts]productArgs
	add    int32
	passes int32
}

// products sets every product's dst to in times its weight transposed, or adds to dst. The weights are all of float types, or
// all of the form of in.acts. The results have the bits of quant.MatMul, whatever the rows beside them.
func products(d device, in input, add bool, list []product) error {
	for len(list) > 0 {
		some := list[:min(len(list), maxProducts)]
		list = list[len(some):]
		if err := launchProducts(d, in, add, some); err != nil {
			return err
		}
	}
	return nil
}

func launchProducts(d device, in input, add bool, list []product) error {
	for _, p := range list {
		k, rows, form := in.floats.cols, in.floats.rows, quant.FormFloat
		if in.acts.at != 0 {
			k, rows, form = in.acts.k, in.acts.rows, in.acts.form
		}
		if p.w.cols != k || p.dst.rows != rows || p.dst.cols < p.w.rows || quant.FormOf(p.w.t) != form {
			return fmt.Errorf("cuda: a %d x %d matrix of %v does not multiply %d x %d activations of form %d into %d x %d",
				p.w.rows, p.w.cols, p.w.t, rows, k, form, p.dst.rows, p.dst.cols)
		}
	}
	if in.acts.at == 0 {
		return floatProducts(d, in.floats, add, list)
	}
	if in.acts.rows <= fewRows {
		weightTiles := 0
		for _, p := range list {
			weightTiles += tiles(p.w.rows)
		}
		return fewProducts(d, in.acts, add, list, fewShapeOf(d, in.acts, weightTiles))
	}
	return manyProducts(d, in.acts, add, list, promptWarps(d.properties(), in.acts, list))
}

// fill lists products for a kernel. countOf is the number of pieces of so many rows that the kernel counts in; fill returns
// that of all products, which is the end of those that are not there.
func fill(to *[maxProducts]productArgs, list []product, countOf func(rows int) int) (total int) {
	for i, p := range list {
		total += countOf(p.w.rows)
		to[i] = productArgs{p.w.at, p.dst.at, int32(p.w.t), int32(p.w.rows), int32(p.dst.cols), int32(total)}
	}
	for i := len(list); i < maxProducts; i++ {
		to[i].end = int32(total)
	}
	return total
}

func flag(v bool) int32 {
	if v {
		return 1
	}
	return 0
}

// fewRows is the most rows of activations that kernels/matmul.cuh multiplies by.
const fewRows = 64

// fewColumns is how rows of activations are divided: tiles of 8 that a warp computes in a pass, and passes.
func fewColumns(rows int) (tiles, passes int) {
	tiles = min(2, ceil(rows, actRows))
	return tiles, ceil(rows, tiles*actRows)
}

// fewShape is how weights are divided in a product of few rows.
type fewShape struct {
	warps  int  // of a block; 2 or more
	blocks int  // on a multiprocessor
	dense  bool // by the kernel of fewer registers, for one tile of Form256
}

// fewShapeOf divides products of so many tiles of weights, as was fastest on an H100 (BenchmarkShapes). A multiprocessor computes
// two tiles at a time, or, of an odd number, one by as many warps, if all of them have steps; with the dense kernel three.
func fewShapeOf(d device, a acts, weightTiles int) fewShape {
	s := fewShape{warps: 8, blocks: 2}
	tiles, passes := fewColumns(a.rows)
	steps := ceil(a.k, 256)
	if a.form == quant.Form32 {
		steps = ceil(a.k, 128)
	}
	perProcessor := ceil(weightTiles, d.properties().multiprocessors)
	switch {
	case tiles == 1 && a.form == quant.Form256 && perProcessor > 2:
		s.dense, s.blocks = true, 3
	case passes > 2:
		s.warps, s.blocks = 4, 4
	case passes == 1 && steps >= 16 && perProcessor%2 == 1:
		s.warps, s.blocks = 16, 1
	}
	return s
}

func fewProducts(d device, a acts, add bool, list []product, s fewShape) error {
	columns, passes := fewColumns(a.rows)
	args := productsArgs{acts: a.args(), add: flag(add), passes: int32(passes)}
	total := fill(&args.list, list, tiles)
	values := 32
	if a.form == quant.Form256 {
		values = 256
	}
	kernel := fmt.Sprintf("products%dx%d", values, columns*actRows)
	if s.dense {
		kernel += "d"
	}
	grid := min(total, s.blocks*d.properties().multiprocessors)
	const tileBytes = 16 * 8 * 4
	return launch(d, kernel, [3]int{grid, 1, 1}, 32*s.warps, passes*columns*tileBytes, &args)
}

// promptWarps chooses how many warps a block of kernels/prompt.cuh has. It has as many tiles of rows, and 16 of columns: the larger a
// block, the fewer bytes it reads, but the more blocks, the more of the GPU is busy. 4 was fastest on an H100 (BenchmarkPrompts),
// whose multiprocessors have shared memory for two blocks.
func promptWarps(p properties, a acts, list []product) int {
	warps := 8
	if p.shared >= 2*promptShared {
		warps = 4
	}
	for warps > 2 && promptBlocks(a, list, warps) < p.multiprocessors {
		warps /= 2
	}
	return warps
}

const (
	promptColumns = 16 * actRows
	promptShared  = 80 << 10
)

// promptBlocks is the number of blocks of so many warps.
func promptBlocks(a acts, list []product, warps int) (n int) {
	for _, p := range list {
		n += ceil(tiles(p.w.rows), warps) * ceil(a.rows, promptColumns)
	}
	return n
}

// manyProducts multiplies by more than fewRows rows.
func manyProducts(d device, a acts, add bool, list []product, warps int) error {
	args := productsArgs{acts: a.args(), add: flag(add)}
	fill(&args.list, list, func(rows int) int { return ceil(tiles(rows), warps) })
	kernel := "prompt32"
	if a.form == quant.Form256 {
		kernel = "prompt256"
	}
	if warps > 4 {
		kernel += "x8"
	} else {
		kernel += "x4"
	}
	return launch(d, kernel, [3]int{promptBlocks(a, list, warps), 1, 1}, 32*warps, promptShared, &args)
}
