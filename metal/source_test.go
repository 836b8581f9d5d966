package metal

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestFlatten(t *testing.T) {
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"k/main.metal": "#include <metal_stdlib>\n#include \"a.h\"\n#include \"b.h\"\nmain",
		"k/a.h":        "#pragma once\n#include \"b.h\"\na",
		"k/b.h":        "#pragma once\nb",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	got, err := flatten(files, "k/main.metal")
	if err != nil {
		t.Fatal(err)
	}
	want := `#line 1 "main.metal"
#include <metal_stdlib>
#line 1 "a.h"

#line 1 "b.h"

b
#line 3 "a.h"
a
#line 3 "main.metal"
#line 4 "main.metal"
main
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	files["k/b.h"].Data = []byte(`#include "c.h"`)
	if _, err := flatten(files, "k/main.metal"); err == nil || !strings.Contains(err.Error(), "a.h: b.h: open k/c.h") {
		t.Errorf("error %v", err)
	}
}

// All files of kernels are in the text.
func TestKernelSource(t *testing.T) {
	text := kernelSource()
	list, err := kernels.ReadDir("kernels")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if !strings.Contains(text, `#line 1 "`+f.Name()+`"`) {
			t.Errorf("%s is not included", f.Name())
		}
	}
}
