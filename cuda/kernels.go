package cuda

import (
	_ "embed"

	"github.com/klauspost/compress/zstd"
)

// kernels.ptx.zst is made of the sources in kernels by make ptx.
//
//go:embed kernels.ptx.zst
var compressedKernels []byte

// kernelText is the kernels' PTX, with a zero behind it as C wants.
func kernelText() []byte {
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err) // of the options alone
	}
	defer r.Close()
	ptx, err := r.DecodeAll(compressedKernels, nil)
	if err != nil {
		panic(err) // of our own file
	}
	return append(ptx, 0)
}
