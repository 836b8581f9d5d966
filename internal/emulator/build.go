//go:build emulator && linux

package emulator

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

//go:embed cxx
var core embed.FS

// A Compiler turns C++ into a library. What it made it keeps in a folder of the system's temporary folder, by the hash of
// what it was made of.
type Compiler struct {
	Flags []string // for the kernels
	Link  []string // flags of linking
	Fast  bool     // leaves out the checks of single accesses and of undefined behaviour, which take most of the time

	path    string
	version []byte
	cache   string
}

// NewCompiler takes the first that there is: $CXX, or one of the names.
func NewCompiler(names ...string) (*Compiler, error) {
	c := &Compiler{cache: filepath.Join(os.TempDir(), fmt.Sprintf("orthrus-emulator-%d", os.Getuid()))}
	for _, name := range append([]string{os.Getenv("CXX")}, names...) {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			c.path = path
			break
		}
	}
	if c.path == "" {
		return nil, fmt.Errorf("no C++ compiler: install one of %s, or name one in CXX", strings.Join(names, ", "))
	}
	var err error
	if c.version, err = c.run("--version"); err != nil {
		return nil, err
	}
	return c, os.MkdirAll(c.cache, 0o700)
}

// Touch reads source files, so that go test knows that a test's result depends on them.
func Touch(patterns ...string) error {
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return err
		}
		for _, path := range paths {
			if _, err := os.ReadFile(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// Preprocess gives the text of a source file after its macros and includes.
func (c *Compiler) Preprocess(source string, flags ...string) ([]byte, error) {
	return c.run(append([]string{"-E", "-std=c++17", "-xc++", source}, flags...)...)
}

// Check compiles a text for the errors that there are in it. The flags name the language, too.
func (c *Compiler) Check(text []byte, flags ...string) error {
	f, err := os.CreateTemp("", "*.cc")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	_, err = c.run(append(append([]string{"-fsyntax-only"}, flags...), f.Name())...)
	return err
}

// build compiles source files, the table of kernels, and the core, and links them.
func (c *Compiler) build(sources []string, table []byte) (string, error) {
	dir, err := os.MkdirTemp("", "orthrus-emulator")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := os.CopyFS(dir, core); err != nil {
		return "", err
	}
	generated := filepath.Join(dir, "kernels.cc")
	if err := os.WriteFile(generated, table, 0o600); err != nil {
		return "", err
	}
	sources = append(sources, generated)
	for _, name := range []string{"core.cc", "memory.cc", "machine.cc", "shadow.cc", "undefined.cc"} {
		sources = append(sources, filepath.Join(dir, "cxx", name))
	}
	// Nothing may fuse or reorder float arithmetic that the kernels do not fuse themselves.
	flags := []string{"-O2", "-g1", "-ftree-vectorize", "-ffp-contract=off", "-fno-math-errno", "-fno-strict-aliasing", "-fPIC",
		"-fvisibility=hidden", "-pthread", "-Wall", "-Wno-unknown-pragmas"}
	if runtime.GOARCH == "arm64" {
		flags = append(flags, "-mcpu=native")
	} else {
		flags = append(flags, "-march=native")
	}
	flags = slices.Clip(flags)
	var objects []string
	all := sha256.New()
	for _, source := range sources {
		flags := append(flags, "-DEMULATOR")
		if source == generated {
			if !c.Fast { // what these call is in cxx/shadow.cc and cxx/undefined.cc
				flags = append(flags, "-fsanitize=thread,alignment,bounds,shift-exponent,integer-divide-by-zero,float-cast-overflow")
			}
			flags = append(flags, c.Flags...)
		}
		text, err := c.Preprocess(source, append(flags, "-P")...)
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(append(append(text, c.version...), fmt.Sprint(flags)...))
		object := filepath.Join(c.cache, fmt.Sprintf("%x.o", sum[:12]))
		all.Write(sum[:])
		objects = append(objects, object)
		if err := c.make(object, append([]string{"-std=c++17", "-c", "-xc++", source}, flags...)); err != nil {
			return "", err
		}
	}
	flags = append([]string{"-shared", "-pthread", "-Wl,-z,defs"}, c.Link...)
	fmt.Fprint(all, flags)
	library := filepath.Join(c.cache, fmt.Sprintf("%x.so", all.Sum(nil)[:12]))
	return library, c.make(library, append(flags, objects...))
}

// make runs the compiler unless its output is there already.
func (c *Compiler) make(output string, args []string) error {
	if _, err := os.Stat(output); err == nil {
		return nil
	}
	f, err := os.CreateTemp(c.cache, "*")
	if err != nil {
		return err
	}
	f.Close()
	defer os.Remove(f.Name())
	if _, err := c.run(append(args, "-o", f.Name())...); err != nil {
		return err
	}
	return os.Rename(f.Name(), output)
}

func (c *Compiler) run(args ...string) ([]byte, error) {
	cmd := exec.Command(c.path, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", c.path, err, errs.Bytes()[:min(errs.Len(), 4<<10)])
	}
	return out, nil
}
