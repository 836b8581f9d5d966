//go:build ignore

// Makes demo.gguf.zst from the checkpoint in convert/testdata.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"orthrus/convert"
)

func main() {
	dir, err := os.MkdirTemp("", "orthrus-demo")
	check(err)
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "demo.gguf")
	_, err = convert.Convert(context.Background(), "../../convert/testdata/orthrus-demo-18m",
		convert.Options{Out: out, Type: "q6_k", DiffType: "q6_k"})
	check(err)
	data, err := os.ReadFile(out)
	check(err)
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	check(err)
	packed := w.EncodeAll(data, nil)
	check(os.WriteFile("demo.gguf.zst", packed, 0o644))
	fmt.Printf("demo.gguf.zst: %d bytes, unpacked %d\n", len(packed), len(data))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
