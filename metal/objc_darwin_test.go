//go:build gpu

package metal

import (
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/ebitengine/purego"
)

var (
	offsets = regexp.MustCompile(`[0-9]+|"[^"]*"`)
	structs = regexp.MustCompile(`\{[^}]*\}`)
	// const, in, inout, out, bycopy, byref, oneway
	qualifiers = strings.NewReplacer("r", "", "n", "", "N", "", "o", "", "O", "", "R", "", "V", "")
)

// TestTypes asks the runtime for the types of all methods.
func TestTypes(t *testing.T) {
	o, err := loadObjC()
	if err != nil {
		t.Fatal(err)
	}
	r := o.(*objcRuntime)
	library, err := purego.Dlopen("/usr/lib/libobjc.A.dylib", purego.RTLD_NOW)
	if err != nil {
		t.Fatal(err)
	}
	address := func(name string) uintptr {
		a, err := purego.Dlsym(library, name)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	getProtocol, describe := address("objc_getProtocol"), address("protocol_getMethodDescription")
	instanceMethod, classMethod, encoding := address("class_getInstanceMethod"), address("class_getClassMethod"), address("method_getTypeEncoding")
	// find gives the address of a method's types, or 0.
	find := func(m *method) uintptr {
		if class := uintptr(r.class(m.class)); class != 0 {
			for _, get := range []uintptr{instanceMethod, classMethod} {
				if method, _, _ := purego.SyscallN(get, class, m.sel); method != 0 {
					types, _, _ := purego.SyscallN(encoding, method)
					return types
				}
			}
			return 0
		}
		protocol := r.named(getProtocol, m.class)
		if protocol == 0 {
			return 0
		}
		for _, required := range []uintptr{1, 0} {
			// It returns a struct of the selector and the types, in two registers.
			if _, types, _ := purego.SyscallN(describe, protocol, m.sel, required, 1); types != 0 {
				return types
			}
		}
		return 0
	}
	for _, m := range methods {
		at := find(m)
		if at == 0 {
			t.Errorf("%s has no method %s", m.class, m.selector)
			continue
		}
		got := cString(at)
		plain := qualifiers.Replace(offsets.ReplaceAllString(structs.ReplaceAllString(got, "{}"), ""))
		if runtime.GOARCH == "amd64" {
			plain = strings.ReplaceAll(plain, "c", "B") // BOOL is a char there
		}
		if plain != m.types {
			t.Errorf("%s %s has the types %s, not %s", m.class, m.selector, got, m.types)
		}
	}
}
