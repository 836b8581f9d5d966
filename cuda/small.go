package cuda

// Small operations: a row is far less work than a product, so what they cost is mostly their launch. Meanwhile memory
// would be idle: spareBlocks blocks beyond those that compute fetch what the next product reads to the L2 cache.
const spareBlocks = 64

func spare(ahead span) int {
	if ahead.bytes == 0 {
		return 0
	}
	return spareBlocks
}

const normThreads = 1024

type normArgs struct {
	src, w, dst pointer
	acts        actsArgs
	rows, width int32
	eps, share  float32
	ahead       span
}

// norm sets dst and q to the RMS norm of src times w, row by row. A dst or q at 0 is left out.
func norm(d device, dst matrix, q acts, src matrix, w pointer, eps float32, ahead span) error {
	threads := min(normThreads, 32*ceil(src.cols, actGroup))
	return launch(d, "norm", [3]int{src.rows + spare(ahead), 1, 1}, threads, 0, &normArgs{
		src: src.at, w: w, dst: dst.at, acts: q.args(), rows: int32(src.rows), width: int32(src.cols), eps: eps, share: 1 / float32(src.cols), ahead: ahead,
	})
}

const gateWarps = 4

type gateArgs struct {
	gate, up, dst pointer
	acts          actsArgs
	rows, width   int32
	ahead         span
}

// gate sets dst and q to silu(gate) * up. A dst or q at 0 is left out; dst may be gate.
func gate(d device, dst matrix, q acts, gate, up matrix, ahead span) error {
	blocks := ceil(gate.rows*ceil(gate.cols, actGroup), gateWarps)
	return launch(d, "gate", [3]int{blocks + spare(ahead), 1, 1}, 32*gateWarps, 0, &gateArgs{
		gate: gate.at, up: up.at, dst: dst.at, acts: q.args(), rows: int32(gate.rows), width: int32(gate.cols), ahead: ahead,
	})
}
