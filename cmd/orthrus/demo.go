package main

import (
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"orthrus/gguf"
)

// demoArchive is the demo model, a GGUF file compressed by zstd. Its type,
// q6_k for both views, keeps the most golden outputs (57 of 64) of those that
// fit into 16 MB; TestDemoKeepsGoldenOutputs counts them.
//
//go:generate go run demo_generate.go
//go:embed demo.gguf.zst
var demoArchive []byte

// openDemo opens the demo model in the user's cache folder, where it is put on
// first use. Without a cache folder it is unpacked into memory.
func openDemo() (*gguf.File, error) {
	cache, err := os.UserCacheDir()
	if err == nil {
		var path string
		if path, err = unpackDemo(filepath.Join(cache, "orthrus")); err == nil {
			return gguf.Open(path)
		}
	}
	data, err := demoData()
	if err != nil {
		return nil, err
	}
	f, err := gguf.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("demo model: %w", err)
	}
	f.Path = "demo model"
	return f, nil
}

// unpackDemo makes sure that dir holds the demo model, under a name that
// changes with its content, and returns its path.
func unpackDemo(dir string) (string, error) {
	sum := sha256.Sum256(demoArchive)
	path := filepath.Join(dir, fmt.Sprintf("demo-%x.gguf", sum[:8]))
	size, err := demoSize()
	if err != nil {
		return "", err
	}
	whole := func() bool {
		info, err := os.Stat(path)
		return err == nil && info.Mode().IsRegular() && info.Size() == size
	}
	if whole() {
		return path, nil
	}
	data, err := demoData()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	err = replaceFile(path, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
	if err != nil && whole() { // another process was faster
		err = nil
	}
	return path, err
}

// demoSize is the size of the unpacked file.
func demoSize() (int64, error) {
	var h zstd.Header
	if err := h.Decode(demoArchive); err != nil || !h.HasFCS {
		return 0, errors.New("demo model: the archive does not tell its size")
	}
	return int64(h.FrameContentSize), nil
}

func demoData() ([]byte, error) {
	d, err := zstd.NewReader(nil)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	data, err := d.DecodeAll(demoArchive, nil)
	if err != nil {
		return nil, fmt.Errorf("demo model: %w", err)
	}
	return data, nil
}
