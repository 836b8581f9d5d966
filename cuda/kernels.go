package cuda

import (
	_ "embed"

	"github.com/klauspost/compress/zstd"
)

// The kernels' PTX is made of the sources in kernels by make ptx, for compute capability 8.0 and, with kernels that begin
// while the one before them ends, for 9.0.
var (
	//go:embed kernels80.ptx.zst
	kernels80 []byte
	//go:embed kernels90.ptx.zst
	kernels90 []byte
)

// decompress gives PTX with a zero behind it, as C wants.
func decompress(compressed []byte) []byte {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err) // of the options alone
	}
	defer r.Close()
	ptx, err := r.DecodeAll(compressed, nil)
	if err != nil {
		panic(err) // of our own file
	}
	return append(ptx, 0)
}
