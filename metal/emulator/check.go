//go:build emulator && linux

package emulator

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"orthrus/internal/emulator"
)

// check refuses what Metal's compiler would, as far as another compiler can tell. Text is looked through for what clang has and
// Metal has not. Then clang looks for errors twice: in C++14 with address spaces, where functions of a struct take objects in
// thread memory only, as in Metal; and in C++ for OpenCL, which takes no cast from one address space to another, no
// variables of a program but constant ones, no threadgroup variables but those of kernels, no conversion of one vector to
// another, no doubles, virtual functions, function pointers, new or exceptions.
func (p *program) check(c *emulator.Compiler, folder string) error {
	if word := unknownForm.FindString(p.plain); word != "" {
		return fmt.Errorf("there is no %s in Metal", word)
	}
	if err := p.unqualified(); err != nil {
		return err
	}
	err := c.Check(p.instances(folder), append([]string{"-xc++", "-std=c++14", "-Wno-c++17-extensions", "-DADDRESS_SPACES"}, flags...)...)
	if err != nil {
		return err
	}
	return c.Check(p.opencl(folder), "-xclcpp", "-cl-std=clc++2021", "-target", "spir64", "-cl-no-stdinc", "-cl-single-precision-constant",
		"-Xclang", "-cl-ext=-all,+cl_khr_fp16,+__opencl_c_generic_address_space", "-Wno-everything")
}

var (
	unknownForm = regexp.MustCompile(`\b(?:goto|noexcept|typeid|asm)\b`)
	pointerForm = regexp.MustCompile(`((?:\b(?:device|constant|thread|threadgroup|const|volatile)\s+)*)\b(\w+)\s*(?:const\s*)?[*&]`)
	spaceForm   = regexp.MustCompile(`\b(?:device|constant|thread|threadgroup)\b`)
	typeForm    = regexp.MustCompile(`^(?:auto|void|bool|(?:float|half|u?char|u?short|u?int|u?long|size_t)[234]?)$`)
	definedForm = regexp.MustCompile(`\b(?:struct|typename|class|enum)\s+(\w+)|\btypedef\b[^;]*\b(\w+)\s*;`)
)

// unqualified finds pointers and references without an address space. Metal has no default for it, clang has.
func (p *program) unqualified() error {
	var types []string
	for _, m := range definedForm.FindAllStringSubmatch(p.plain, -1) {
		types = append(types, m[1]+m[2])
	}
	for _, m := range pointerForm.FindAllStringSubmatch(p.plain, -1) {
		if (typeForm.MatchString(m[2]) || slices.Contains(types, m[2])) && !spaceForm.MatchString(m[1]) {
			return fmt.Errorf("%q has no address space", m[0])
		}
	}
	return nil
}

// instances is C++ that has every kernel's code made.
func (p *program) instances(folder string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "#include %q\n%s\n", filepath.Join(folder, "metal.h"), p.text)
	for i, k := range p.kernels {
		fmt.Fprintf(&out, "auto instance%d = &%s;\n", i, k.call)
	}
	return out.Bytes()
}

var (
	markerForm   = regexp.MustCompile(`(?m)^# (\d+) ("[^"]*").*\n`)
	templateForm = regexp.MustCompile(`template\s*<([^<>]*)>\s*kernel\s+void\s+(\w+)\s*\(`)
)

// opencl is C++ for OpenCL that has the kernels. Kernels cannot be templates there, so every instance becomes a function, in a
// namespace that says what the template's parameters are, and with a name of its own, as names of kernels know no namespace.
func (p *program) opencl(folder string) []byte {
	var out, instances bytes.Buffer
	fmt.Fprintf(&out, "#include %q\n", filepath.Join(folder, "opencl.h"))
	end := 0
	for _, at := range templateForm.FindAllStringSubmatchIndex(p.text, -1) {
		parameters, name := splitParameters(p.text[at[2]:at[3]]+")"), p.text[at[4]:at[5]]
		out.WriteString(p.text[end:at[0]])
		end = at[1] + blockEnd(p.text[at[1]:])
		out.WriteString(newlines(p.text[at[0]:end]))
		function := at[3] + strings.Index(p.text[at[3]:], "kernel")
		for i, k := range p.kernels {
			called, arguments, _ := strings.Cut(k.call, "<")
			if called != name {
				continue
			}
			fmt.Fprintf(&instances, "namespace instance%d {\n", i)
			for j, a := range splitParameters(strings.TrimSuffix(strings.TrimSpace(arguments), ">") + ")") {
				kind, parameter, _ := strings.Cut(parameters[j], " ")
				if kind == "typename" || kind == "class" {
					fmt.Fprintf(&instances, "typedef %s %s;\n", a, parameter)
				} else {
					fmt.Fprintf(&instances, "constant constexpr %s = %s;\n", parameters[j], a)
				}
			}
			fmt.Fprintf(&instances, "%s\nkernel void %s%d(%s\n}\n", marker(p.text, function), name, i, p.text[at[1]:end])
		}
	}
	out.WriteString(p.text[end:])
	instances.WriteTo(&out)
	return out.Bytes()
}

// blockEnd is the place behind the first block of a text.
func blockEnd(text string) int {
	open := strings.Index(text, "{") + 1
	return min(open+emulator.Closing(text[open:])+1, len(text))
}

// marker is a line that tells the compiler which line of which file comes next: that at a place of a text.
func marker(text string, at int) string {
	all := markerForm.FindAllStringSubmatchIndex(text[:at], -1)
	if all == nil {
		return ""
	}
	last := all[len(all)-1]
	line, _ := strconv.Atoi(text[last[2]:last[3]])
	return fmt.Sprintf("# %d %s", line+strings.Count(text[last[1]:at], "\n"), text[last[4]:last[5]])
}
