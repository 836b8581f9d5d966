//go:build emulator && linux

package emulator

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// A Machine runs the kernels of one library. It does one thing at a time; all its methods wait for their turn.
type Machine struct {
	Kernels map[string]Kernel

	library  string
	allocate func(bytes uintptr) uintptr
	release  func(p uintptr) bool
	copy     func(dst, src uintptr, bytes uintptr, upload bool) bool
	launch   func(kernel uintptr, grid, size *[3]uint32, shared uintptr, args unsafe.Pointer, bytes uintptr, seed uint64, err *byte, errBytes uintptr)
}

// Kernel is a kernel as its C++ source declares it.
type Kernel struct {
	Args   int     // bytes of its parameter
	Fields []Field // of its parameter, by ascending offset
	number uintptr
}

// Field is a field of a kernel's parameter that has no fields itself.
type Field struct {
	Name   string // in nested structs the path; array elements by their index
	Offset int
	Bytes  int
}

// Load builds kernels and starts a machine for them: source files, and the C++ text that includes the kernels and defines
// the table that core.h declares.
func Load(c *Compiler, sources []string, table []byte) (*Machine, error) {
	path, err := c.build(sources, table)
	if err != nil {
		return nil, err
	}
	library, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, err
	}
	m := &Machine{Kernels: map[string]Kernel{}, library: path}
	var (
		start           func(workers uint32) bool
		kernels         func() uintptr
		kernel          func(kernel uintptr) string
		bytes_, fields_ func(kernel uintptr) uintptr
		field           func(kernel, field uintptr, offset, bytes *uint32) string
	)
	for name, f := range map[string]any{
		"start": &start, "allocate": &m.allocate, "release": &m.release, "copy": &m.copy, "launch": &m.launch,
		"kernels": &kernels, "kernel": &kernel, "args": &bytes_, "fields": &fields_, "field": &field,
	} {
		purego.RegisterLibFunc(f, library, "emulator_"+name)
	}
	for i := range kernels() {
		k := Kernel{Args: int(bytes_(i)), number: i}
		for j := range fields_(i) {
			var offset, bytes uint32
			name := field(i, j, &offset, &bytes)
			k.Fields = append(k.Fields, Field{name, int(offset), int(bytes)})
		}
		m.Kernels[kernel(i)] = k
	}
	if !start(uint32(runtime.GOMAXPROCS(0))) {
		return nil, errors.New("emulator: no memory for stacks")
	}
	return m, nil
}

// Allocate gives zeroed memory, aligned to 16 bytes, which ends (but for the alignment) at a page that must not be touched.
func (m *Machine) Allocate(bytes int64) (uintptr, error) {
	p := m.allocate(uintptr(bytes))
	if p == 0 {
		return 0, fmt.Errorf("emulator: no memory for %d bytes", bytes)
	}
	return p, nil
}

func (m *Machine) Release(p uintptr) error {
	if !m.release(p) {
		return fmt.Errorf("emulator: nothing is allocated at %#x", p)
	}
	return nil
}

func (m *Machine) Upload(dst uintptr, src []byte) error {
	defer runtime.KeepAlive(src)
	if len(src) > 0 && !m.copy(dst, uintptr(unsafe.Pointer(&src[0])), uintptr(len(src)), true) {
		return fmt.Errorf("emulator: upload of %d bytes to %#x, which is not in one allocation", len(src), dst)
	}
	return nil
}

func (m *Machine) Download(dst []byte, src uintptr) error {
	defer runtime.KeepAlive(dst)
	if len(dst) > 0 && !m.copy(uintptr(unsafe.Pointer(&dst[0])), src, uintptr(len(dst)), false) {
		return fmt.Errorf("emulator: download of %d bytes from %#x, which is not in one allocation", len(dst), src)
	}
	return nil
}

// Launch runs a kernel and waits for its end. seed decides in which order blocks and threads run.
func (m *Machine) Launch(kernel string, grid, block [3]int, shared int, args unsafe.Pointer, size uintptr, seed uint64) error {
	k, ok := m.Kernels[kernel]
	if !ok {
		return fmt.Errorf("emulator: no kernel %s", kernel)
	}
	var dims [2][3]uint32
	for i := range 3 {
		dims[0][i], dims[1][i] = uint32(grid[i]), uint32(block[i])
	}
	text := make([]byte, 1024)
	m.launch(k.number, &dims[0], &dims[1], uintptr(shared), args, size, seed, &text[0], uintptr(len(text)))
	if text = text[:bytes.IndexByte(text, 0)]; len(text) > 0 {
		return errors.New(codeForm.ReplaceAllStringFunc(string(text), m.source))
	}
	return nil
}

var codeForm = regexp.MustCompile(` \[0x[0-9a-f]+\]$`)

// source translates an address of code to the lines of the source that it is of, if binutils are there.
func (m *Machine) source(code string) string {
	out, err := exec.Command("addr2line", "-i", "-e", m.library, strings.Trim(code, " []")).Output()
	if err != nil {
		return code
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n") // the innermost of the inlined calls first
	for i := range lines {
		lines[i], _, _ = strings.Cut(filepath.Base(lines[i]), " ")
	}
	return ", at " + strings.Join(lines, " in ")
}

// Bytes is the memory of an allocation, which kernels and the caller share.
func Bytes(p uintptr, n int) []byte {
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&p))), n)
}
