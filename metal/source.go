package metal

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed kernels
var kernels embed.FS

// kernelSource is the text of all kernels. Metal compiles one text and finds no files, so what it includes of ours is
// put in its place, once.
func kernelSource() string {
	text, err := flatten(kernels, "kernels/kernels.metal")
	if err != nil {
		panic(err) // of our own files
	}
	return text
}

// flatten reads a source file and those that it includes by `#include "name"`, from its own folder.
func flatten(files fs.FS, path string) (string, error) {
	var out strings.Builder
	seen := map[string]bool{}
	folder := path[:strings.LastIndexByte(path, '/')+1]
	var add func(name string) error
	add = func(name string) error {
		if seen[name] {
			return nil
		}
		seen[name] = true
		text, err := fs.ReadFile(files, folder+name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "#line 1 %q\n", name)
		for i, line := range strings.Split(string(text), "\n") {
			switch included, found := strings.CutPrefix(line, `#include "`); {
			case found:
				if err := add(strings.TrimSuffix(included, `"`)); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				fmt.Fprintf(&out, "#line %d %q\n", i+2, name)
			case line == "#pragma once":
				out.WriteString("\n")
			default:
				out.WriteString(line + "\n")
			}
		}
		return nil
	}
	err := add(path[len(folder):])
	return out.String(), err
}
