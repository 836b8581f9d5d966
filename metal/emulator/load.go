//go:build emulator && linux

package emulator

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"orthrus/internal/emulator"
)

// compilers that have what the headers need: vectors with swizzles, and _Float16 that rounds each operation.
var compilers = []string{"clang++-16", "clang++-17", "clang++-18", "clang++-19", "clang++-20", "clang++-21", "clang++-22", "clang++"}

var flags = []string{
	"-Xclang", "-ffloat16-excess-precision=none", "-Wno-unknown-attributes", "-Wno-duplicate-decl-specifier", "-Wno-unused-function",
	"-Wno-unused-variable", "-Wno-unused-but-set-variable", "-Wno-gnu-line-marker", "-Wno-user-defined-literals", "-Xclang", "-cl-single-precision-constant",
}

// Load compiles the text of kernels and starts a machine that has them, if there is nothing in the text that Metal would refuse
// (check.go). folder is that of this package. checked has every access to memory checked.
func Load(folder, text string, checked bool) (*emulator.Machine, error) {
	c, err := emulator.NewCompiler(compilers...)
	if err != nil {
		return nil, err
	}
	c.Flags, c.Fast = flags, !checked
	folder, err = filepath.Abs(filepath.Join(folder, "cxx"))
	if err != nil {
		return nil, err
	}
	if err := emulator.Touch(filepath.Join(folder, "*.*"), filepath.Join(folder, "../../../internal/emulator/cxx/*.h")); err != nil {
		return nil, err
	}
	text, err = preprocess(c, folder, text)
	if err != nil {
		return nil, err
	}
	p, err := parse(text)
	if err != nil {
		return nil, err
	}
	table, err := p.table(folder)
	if err != nil {
		return nil, err
	}
	if err := p.check(c, folder); err != nil {
		return nil, err
	}
	return emulator.Load(c, nil, table)
}

// preprocess gives the text after its macros, with the language's own names as they are.
func preprocess(c *emulator.Compiler, folder, text string) (string, error) {
	f, err := os.CreateTemp("", "*.metal")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	if _, err := f.WriteString(text); err != nil {
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	out, err := c.Preprocess(f.Name(), "-I"+filepath.Join(folder, "system"), "-D__METAL_VERSION__=310")
	return string(out), err
}

// program is a text of kernels, taken apart.
type program struct {
	text    string // C++, with metal.h
	plain   string // without line markers
	kernels []kernel
}

// kernel is a function, or an instance of a template of one.
type kernel struct {
	name, call string
	limit      string // threads of a group; "0": any
	args       string // struct at buffer(0); "" for none
	params     []string
}

var (
	lineMarker    = regexp.MustCompile(`(?m)^# .*\n`)
	attributes    = regexp.MustCompile(`\[\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]\]`)
	hostName      = regexp.MustCompile(`template\s*\[\[\s*host_name\s*\(([^)]*)\)\s*\]\]\s*(?:\[\[[^\]]*\]\]\s*)?kernel\s+decltype\s*\(([^;]*)\)\s*([^;]*);`)
	kernelForm    = regexp.MustCompile(`((?:\[\[[^\]]*\]\]\s*)*)\bkernel\s+(?:void\s+)?((?:\[\[[^\]]*\]\]\s*)*)(?:void\s+)?(\w+)\s*\(`)
	variableForm  = regexp.MustCompile(`(?m)((?:^|[;{}])[ \t]*)threadgroup(\s+[\w:<>, ]+\s\w+\s*(?:\[[^;=]*\])?\s*;)`)
	betweenQuotes = regexp.MustCompile(`"\s*"|^\s*"|"\s*$`)
	// A vector's name before a bracket is its constructor, which C++ does not have.
	vectorForm = regexp.MustCompile(`\b((?:float|half|u?char|u?short|u?int|u?long)[234])\(`)
	limitForm  = regexp.MustCompile(`max_total_threads_per_threadgroup\s*\(([^)]*)\)`)
	paramForm  = regexp.MustCompile(`^(.*?)\[\[\s*(\w+)\s*(?:\(\s*(\d+)\s*\))?\s*\]\]$`)
	structForm = regexp.MustCompile(`^\s*(?:const\s+)?constant\s+(?:const\s+)?(\w+)\s*&`)
)

// parse finds the kernels, and turns the text into C++.
func parse(text string) (*program, error) {
	p := &program{plain: lineMarker.ReplaceAllString(text, "")}
	templates := map[string]kernel{}
	for _, at := range kernelForm.FindAllStringSubmatchIndex(p.plain, -1) {
		before := p.plain[:at[0]]
		if i := strings.LastIndexAny(before, ";}"); i >= 0 {
			before = before[i+1:]
		}
		name := p.plain[at[6]:at[7]]
		if name == "decltype" {
			continue // an instance
		}
		k := kernel{name: name, call: name, limit: "0"}
		if limit := limitForm.FindStringSubmatch(p.plain[at[2]:at[3]] + p.plain[at[4]:at[5]]); limit != nil {
			k.limit = limit[1]
		}
		if err := k.parameters(p.plain[at[1]:]); err != nil {
			return nil, fmt.Errorf("kernel %s: %w", name, err)
		}
		if strings.Contains(before, "template") {
			templates[name] = k
		} else {
			p.kernels = append(p.kernels, k)
		}
	}
	for _, m := range hostName.FindAllStringSubmatch(p.plain, -1) {
		template, _, _ := strings.Cut(m[2], "<")
		k, ok := templates[strings.TrimSpace(template)]
		if !ok || strings.TrimSpace(m[2]) != strings.TrimSpace(m[3]) {
			return nil, fmt.Errorf("kernel %s: no template %s, or not the form kernel decltype(f<...>) f<...>", m[1], m[2])
		}
		k.name, k.call = betweenQuotes.ReplaceAllString(m[1], ""), m[2]
		p.kernels = append(p.kernels, k)
	}
	text = hostName.ReplaceAllStringFunc(text, newlines)
	text = variableForm.ReplaceAllString(text, "${1}THREADGROUP_VARIABLE$2")
	text = vectorForm.ReplaceAllString(text, "metal::make<$1>(")
	p.text = attributes.ReplaceAllStringFunc(text, newlines)
	return p, nil
}

// newlines is what stays of a part that is taken out, so that lines keep their numbers.
func newlines(s string) string { return strings.Repeat("\n", strings.Count(s, "\n")) }

// parameters reads a kernel's parameters from behind the opening bracket.
func (k *kernel) parameters(text string) error {
	for _, one := range splitParameters(text) {
		m := paramForm.FindStringSubmatch(strings.Join(strings.Fields(one), " "))
		if m == nil {
			return fmt.Errorf("parameter %q has no attribute of the form [[name]] or [[name(index)]]", one)
		}
		declared, attribute, index := m[1], m[2], m[3]
		switch {
		case attribute == "buffer" && index == "0":
			of := structForm.FindStringSubmatch(declared)
			if of == nil {
				return fmt.Errorf("buffer(0) is not constant NameArgs &")
			}
			k.args = of[1]
			k.params = append(k.params, "arguments::args(l)")
		case attribute == "buffer":
			k.params = append(k.params, fmt.Sprintf("arguments::buffer(l, %s)", index))
		case attribute == "threadgroup" && index == "0":
			k.params = append(k.params, "arguments::shared()")
		case index == "":
			k.params = append(k.params, fmt.Sprintf("arguments::%s()", attribute))
		default:
			return fmt.Errorf("attribute %s(%s) is not known to the emulator", attribute, index)
		}
	}
	return nil
}

// splitParameters splits at the commas before the bracket that closes.
func splitParameters(text string) []string {
	var list []string
	depth, from := 0, 0
	for i, c := range text {
		switch c {
		case '(', '[', '<', '{':
			depth++
		case ']', '>', '}':
			depth--
		case ',', ')':
			if c == ')' && depth > 0 {
				depth--
			} else if depth == 0 {
				if one := strings.TrimSpace(text[from:i]); one != "" {
					list = append(list, one)
				}
				from = i + 1
				if c == ')' {
					return list
				}
			}
		}
	}
	return list
}

// table is C++ that has the kernels and tells the emulator about them, and the fields of their argument structs.
func (p *program) table(folder string) ([]byte, error) {
	var out, list bytes.Buffer
	fmt.Fprintf(&out, "#include %q\n%s\n#line 1 \"table\"\n", filepath.Join(folder, "metal.h"), p.text)
	for i, k := range p.kernels {
		var fields []string
		if k.args != "" {
			var err error
			if fields, err = emulator.Leaves(p.plain, k.args, ""); err != nil {
				return nil, fmt.Errorf("kernel %s: %w", k.name, err)
			}
		}
		fmt.Fprintf(&out, "static const emulator::Field fields%d[] = {\n", i)
		for _, f := range fields {
			fmt.Fprintf(&out, "\t{%q, __builtin_offsetof(%s, %s), sizeof(static_cast<%s *>(nullptr)->%s)},\n", f, k.args, f, k.args, f)
		}
		out.WriteString("\t{}\n};\n")
		fmt.Fprintf(&list, "\t{%q, [](const void *a) { auto &l = arguments::open(a); %s(%s); }, sizeof(arguments::List), %s, fields%d, %d},\n",
			k.name, k.call, strings.Join(k.params, ", "), k.limit, i, len(fields))
	}
	fmt.Fprintf(&out, "const emulator::Kernel emulator::kernels[] = {\n%s\t{}\n};\nconst size_t emulator::kernel_count = %d;\n", list.Bytes(), len(p.kernels))
	return out.Bytes(), nil
}
