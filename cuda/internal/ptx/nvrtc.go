//go:build linux && amd64

package main

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ebitengine/purego"
)

// compiler is NVRTC (https://docs.nvidia.com/cuda/nvrtc).
type compiler struct {
	create    func(program *uintptr, src, name string, headers int32, headerSrc, headerNames **byte) int32
	build     func(program uintptr, options int32, list **byte) int32
	ptxSize   func(program uintptr, size *uintptr) int32
	ptx       func(program uintptr, dst *byte) int32
	logSize   func(program uintptr, size *uintptr) int32
	log       func(program uintptr, dst *byte) int32
	destroy   func(program *uintptr) int32
	errorText func(code int32) string
}

// openCompiler opens the library in a folder. It finds its second library, libnvrtc-builtins, beside itself.
func openCompiler(folder string) (*compiler, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "libnvrtc.so*"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("%s has no libnvrtc.so: make ptx gets one", folder)
	}
	path, err := filepath.Abs(paths[0])
	if err != nil {
		return nil, err
	}
	lib, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return nil, err
	}
	var c compiler
	for name, f := range map[string]any{
		"nvrtcCreateProgram": &c.create, "nvrtcCompileProgram": &c.build, "nvrtcDestroyProgram": &c.destroy,
		"nvrtcGetPTXSize": &c.ptxSize, "nvrtcGetPTX": &c.ptx,
		"nvrtcGetProgramLogSize": &c.logSize, "nvrtcGetProgramLog": &c.log, "nvrtcGetErrorString": &c.errorText,
	} {
		purego.RegisterLibFunc(f, lib, name)
	}
	return &c, nil
}

// compile returns the PTX of a translation unit and what the compiler had to say.
func (c *compiler) compile(name string, unit []byte, headers map[string][]byte, options ...string) (ptx []byte, log string, err error) {
	names := slices.Sorted(maps.Keys(headers))
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = string(headers[n])
	}
	var program uintptr
	if err := c.check("nvrtcCreateProgram", c.create(&program, string(unit), name, int32(len(names)), list(texts), list(names))); err != nil {
		return nil, "", err
	}
	defer c.destroy(&program)
	failed := c.check("nvrtcCompileProgram", c.build(program, int32(len(options)), list(options)))

	var size uintptr
	if err := c.check("nvrtcGetProgramLogSize", c.logSize(program, &size)); err != nil {
		return nil, "", errors.Join(failed, err)
	}
	text := make([]byte, size+1)
	if err := c.check("nvrtcGetProgramLog", c.log(program, &text[0])); err != nil {
		return nil, "", errors.Join(failed, err)
	}
	log = strings.TrimRight(string(text), "\x00")
	if failed != nil {
		return nil, log, failed
	}
	if err := c.check("nvrtcGetPTXSize", c.ptxSize(program, &size)); err != nil {
		return nil, log, err
	}
	ptx = make([]byte, size)
	if err := c.check("nvrtcGetPTX", c.ptx(program, &ptx[0])); err != nil {
		return nil, log, err
	}
	return ptx[:size-1], log, nil // without the terminating zero
}

func (c *compiler) check(call string, code int32) error {
	if code == 0 {
		return nil
	}
	return fmt.Errorf("%s: %s", call, c.errorText(code))
}

// list is C's array of strings.
func list(texts []string) **byte {
	pointers := make([]*byte, len(texts)+1)
	for i, t := range texts {
		pointers[i] = &append([]byte(t), 0)[0]
	}
	return &pointers[0]
}
