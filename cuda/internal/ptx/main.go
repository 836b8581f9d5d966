//go:build linux && amd64

// Command ptx compiles the kernels of package cuda to PTX by NVRTC, NVIDIA's run-time compiler, which is a library from
// a package registry and needs nothing else of CUDA (make ptx):
//
//	ptx NVRTC-FOLDER KERNELS-FOLDER OUTPUT-FOLDER
//
// It writes kernels80.ptx.zst, for compute capability 8.0, and kernels90.ptx.zst, for 9.0; each is for later ones too. The
// same sources are to give the same files. NVRTC did not where a loop left an array's values as they were: it set them to
// zero in one block or another, from run to run.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/klauspost/compress/zstd"
)

// maxVersion is the PTX version that drivers take from CUDA 11.8 on.
const maxVersion = 7.8

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: ptx NVRTC-FOLDER KERNELS-FOLDER OUTPUT-FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "ptx:", err)
		os.Exit(1)
	}
}

func run(nvrtc, kernels, output string) error {
	unit, err := os.ReadFile(filepath.Join(kernels, "kernels.cu"))
	if err != nil {
		return err
	}
	paths, err := filepath.Glob(filepath.Join(kernels, "*.cuh"))
	if err != nil {
		return err
	}
	headers := map[string][]byte{}
	for _, path := range paths {
		if headers[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			return err
		}
	}
	c, err := openCompiler(nvrtc)
	if err != nil {
		return err
	}
	for _, capability := range []string{"80", "90"} {
		// Only fmaf is to fuse: the order and rounding of every sum is a promise (docs/architecture.md).
		ptx, log, err := c.compile("kernels.cu", unit, headers, "--gpu-architecture=compute_"+capability, "--std=c++17", "--fmad=false")
		os.Stderr.WriteString(log)
		if err != nil {
			return err
		}
		if err := check(ptx); err != nil {
			return err
		}
		if ptx, err = compress(ptx); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(output, "kernels"+capability+".ptx.zst"), ptx, 0o644); err != nil {
			return err
		}
	}
	return nil
}

var version = regexp.MustCompile(`(?m)^\.version ([0-9.]+)$`)

func check(ptx []byte) error {
	m := version.FindSubmatch(ptx)
	if m == nil {
		return errors.New("the compiler's output has no .version line")
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil || v > maxVersion {
		return fmt.Errorf("the compiler wrote PTX %s, and drivers of CUDA 11.8 take up to %.1f: use the compiler that make ptx gets", m[1], maxVersion)
	}
	return nil
}

func compress(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	w.Write(data)
	err = w.Close()
	return out.Bytes(), err
}
