package metal

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

// fake is an Objective-C runtime that notes what it is asked for, and gives objects that are numbers with names.
type fake struct {
	t       *testing.T
	log     []string
	names   map[id]string
	counts  map[id]int // of references
	text    map[id]string
	answers map[string]uintptr // of methods by their selector
	apple   uintptr            // the newest family of Apple's that the device belongs to
	metal   uintptr            // and of Metal's
	pools   int                // that are open
	kept    []*byte
}

func newFake(t *testing.T) *fake {
	for i, m := range methods {
		m.sel = uintptr(1000 + i)
	}
	return &fake{
		t: t, names: map[id]string{}, counts: map[id]int{}, text: map[id]string{}, apple: familyApple1 + 7, metal: familyMetal3,
		answers: map[string]uintptr{
			"recommendedMaxWorkingSetSize": 12 << 30, "maxBufferLength": 9 << 30, "maxThreadgroupMemoryLength": 32 << 10,
			"maxTotalThreadsPerThreadgroup": 512, "threadExecutionWidth": 32, "status": 4, "respondsToSelector:": 1, "code": 7,
		},
	}
}

// object makes an object that has one owner, or none.
func (f *fake) object(kind string, owners int) id {
	n := 1
	for slices.Contains(f.list(), fmt.Sprint(kind, n)) {
		n++
	}
	o := id(1<<20 + len(f.names))
	f.names[o] = fmt.Sprint(kind, n)
	f.counts[o] = owners
	return o
}

func (f *fake) list() []string {
	var names []string
	for _, name := range f.names {
		names = append(names, name)
	}
	return names
}

func (f *fake) systemDevice() id { return f.object("device", 1) }

func (f *fake) class(name string) id {
	for o, n := range f.names {
		if n == name {
			return o
		}
	}
	o := id(1<<20 + len(f.names))
	f.names[o] = name
	return o
}

func (f *fake) pool(do func()) {
	f.pools++
	do()
	f.pools--
}

// kinds are the objects that methods give, by their selectors.
var kinds = map[string]string{
	"newCommandQueue": "queue", "newBufferWithLength:options:": "buffer", "newBufferWithBytesNoCopy:length:options:deallocator:": "buffer",
	"newLibraryWithSource:options:error:": "library", "newFunctionWithName:": "function",
	"newComputePipelineStateWithFunction:error:": "pipeline", "commandBufferWithUnretainedReferences": "commands",
	"computeCommandEncoderWithDispatchType:": "encoder", "newResidencySetWithDescriptor:error:": "residency", "new": "object",
	"stringWithUTF8String:": "string", "name": "string", "localizedDescription": "string", "error": "failure",
}

func (f *fake) send(to id, m *method, args ...uintptr) uintptr {
	f.t.Helper()
	if f.pools == 0 {
		f.t.Errorf("%s is sent outside of a pool", m.selector)
	}
	name, ok := f.names[to]
	if !ok {
		f.t.Errorf("%s is sent to %#x, which is no object", m.selector, to)
	}
	types := arguments(m)
	if len(types) != len(args) {
		f.t.Fatalf("%s: %d arguments, of %d", m.selector, len(args), len(types))
	}
	line := name + " " + m.selector
	for i, a := range args {
		switch types[i] {
		case "@":
			object, ok := f.names[id(a)]
			if !ok {
				f.t.Errorf("%s: argument %d is no object", m.selector, i+1)
			}
			if s, ok := f.text[id(a)]; ok {
				object = fmt.Sprintf("%q", s)
			}
			line += " " + object
		case ":":
			line += " " + methods[a-1000].selector
		case "*":
			line += fmt.Sprintf(" %q", cString(a))
		case "^v", "^@":
			line += " pointer"
		default:
			line += fmt.Sprint(" ", a)
		}
	}
	f.log = append(f.log, line)
	switch m {
	case release:
		if f.counts[to]--; f.counts[to] < 0 {
			f.t.Errorf("%s is released too often", name)
		}
		return 0
	case retain:
		f.counts[to]++
		return uintptr(to)
	case stringWithUTF8String:
		o := f.object("string", 0)
		f.text[o] = cString(args[0])
		return uintptr(o)
	case utf8String:
		bytes := append([]byte(f.text[to]), 0)
		f.kept = append(f.kept, &bytes[0])
		return uintptr(unsafe.Pointer(&bytes[0]))
	case bufferContents:
		bytes := make([]byte, 64)
		f.kept = append(f.kept, &bytes[0])
		return uintptr(unsafe.Pointer(&bytes[0]))
	case supportsFamily:
		return uintptr(0xAB00 | b2i(args[0] <= f.apple || args[0] >= familyMetal3 && args[0] <= f.metal)) // only the lowest byte counts
	}
	if answer, ok := f.answers[m.selector]; ok {
		if answer == 0 && slices.Contains(types, "^@") {
			*(*id)(memory(args[len(args)-1])) = f.object("failure", 0)
		}
		return answer
	}
	if strings.HasPrefix(m.types, "@") {
		owners := 0
		if strings.HasPrefix(m.selector, "new") {
			owners = 1
		}
		o := f.object(kinds[m.selector], owners)
		if m == deviceName {
			f.text[o] = "Apple M2"
		}
		if m == localizedDescription {
			f.text[o] = "it is\n\ttoo warm"
		}
		return uintptr(o)
	}
	return 0
}

func (f *fake) sendSizes(to id, m *method, a, b [3]uintptr) {
	if !slices.Equal(arguments(m), []string{"{}", "{}"}) {
		f.t.Errorf("%s takes %s", m.selector, m.types)
	}
	f.log = append(f.log, fmt.Sprint(f.names[to], " ", m.selector, " ", a, " ", b))
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func cString(at uintptr) string {
	n := 0
	for *(*byte)(unsafe.Add(memory(at), n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(memory(at)), n))
}

// arguments are the types of a method's arguments, without receiver and selector.
func arguments(m *method) []string {
	list := encodings(m.types)
	return list[3:]
}

// encodings splits a method's types.
func encodings(types string) []string {
	var list []string
	for types != "" {
		n := 1
		switch {
		case types[0] == '^':
			n = 2
		case strings.HasPrefix(types, "@?"), strings.HasPrefix(types, "{}"):
			n = 2
		}
		list = append(list, types[:n])
		types = types[n:]
	}
	return list
}

// took returns what was sent since the last call.
func (f *fake) took() string {
	text := strings.Join(f.log, "\n")
	f.log = nil
	return text
}

func openFake(t *testing.T) (*fake, *gpu) {
	f := newFake(t)
	g, err := openGPU(f, "the kernels")
	if err != nil {
		t.Fatal(err)
	}
	return f, g
}

func (f *fake) allReleased() {
	f.t.Helper()
	for o, n := range f.counts {
		if n != 0 {
			f.t.Errorf("%s has %d owners", f.names[o], n)
		}
	}
}
