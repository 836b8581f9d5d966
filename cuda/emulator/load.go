//go:build emulator && linux

package emulator

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"orthrus/internal/emulator"
)

// Load compiles a file of kernels and starts a machine that has them. folder is that of this package. A fast machine
// does not look at every access to memory.
func Load(folder, kernels string, fast bool) (*emulator.Machine, error) {
	c, err := emulator.NewCompiler("g++", "clang++")
	if err != nil {
		return nil, err
	}
	c.Fast = fast
	return load(c, folder, kernels, "warp.cc")
}

// LoadDriver loads a driver whose GPU is a fast machine, as libcuda.so.1: whoever opens that finds this one.
func LoadDriver(folder, kernels string) error {
	c, err := emulator.NewCompiler("g++", "clang++")
	if err != nil {
		return err
	}
	c.Fast = true
	c.Link = []string{"-Wl,-soname,libcuda.so.1"}
	_, err = load(c, folder, kernels, "warp.cc", "driver.cc")
	return err
}

func load(c *emulator.Compiler, folder, kernels string, sources ...string) (*emulator.Machine, error) {
	kernels, err := filepath.Abs(kernels)
	if err != nil {
		return nil, err
	}
	for i, name := range sources {
		if sources[i], err = filepath.Abs(filepath.Join(folder, "cxx", name)); err != nil {
			return nil, err
		}
	}
	if err := emulator.Touch(filepath.Join(folder, "cxx/*"), filepath.Join(filepath.Dir(kernels), "*")); err != nil {
		return nil, err
	}
	// The declaration of a kernel stays as it is.
	text, err := c.Preprocess(kernels, "-P", "-DEMULATOR", "-D__global__=__global__", "-D__launch_bounds__(...)=__launch_bounds__(__VA_ARGS__)")
	if err != nil {
		return nil, err
	}
	table, err := table(kernels, string(text))
	if err != nil {
		return nil, err
	}
	return emulator.Load(c, sources, table)
}

var (
	kernelForm = regexp.MustCompile(`__global__\s+(?:void\s+)?(?:__launch_bounds__\s*\(([^)]*)\)\s*)?(?:void\s+)?(\w+)\s*\(\s*(?:const\s+)?(\w+)\s+\w+\s*\)`)
	globalForm = regexp.MustCompile(`__global__\b`)
)

// table is C++ that includes the kernels and tells the emulator about them: their parameters, and the fields of those.
func table(path, text string) ([]byte, error) {
	found := kernelForm.FindAllStringSubmatch(text, -1)
	if n := len(globalForm.FindAllString(text, -1)); n != len(found) {
		return nil, fmt.Errorf("%s: %d of %d kernels are not of the form extern \"C\" __global__ void name(NameArgs a)", path, n-len(found), n)
	}
	var out, list bytes.Buffer
	fmt.Fprintf(&out, "#include %q\n", path)
	for _, k := range found {
		bound, name, args := k[1], k[2], k[3]
		bound, _, _ = strings.Cut(bound, ",")
		if bound == "" {
			bound = "0"
		}
		fields, err := emulator.Leaves(text, args, "")
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "static const emulator::Field fields_of_%s[] = {\n", name)
		for _, f := range fields {
			fmt.Fprintf(&out, "\t{%q, __builtin_offsetof(%s, %s), sizeof(static_cast<%s *>(nullptr)->%s)},\n", f, args, f, args, f)
		}
		out.WriteString("};\n")
		fmt.Fprintf(&list, "\t{%q, [](const void *a) { %s(*static_cast<const %s *>(a)); }, sizeof(%s), %s, fields_of_%s, %d, true},\n",
			name, name, args, args, bound, name, len(fields))
	}
	fmt.Fprintf(&out, "const emulator::Kernel emulator::kernels[] = {\n%s\t{}\n};\nconst size_t emulator::kernel_count = %d;\n", list.Bytes(), len(found))
	return out.Bytes(), nil
}
