package metal

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestMethods(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range methods {
		if got, want := len(arguments(m)), strings.Count(m.selector, ":"); got != want {
			t.Errorf("%s %s: types of %d arguments, the selector has %d", m.class, m.selector, got, want)
		}
		if list := encodings(m.types); list[1] != "@" || list[2] != ":" {
			t.Errorf("%s %s: types %s", m.class, m.selector, m.types)
		}
		if key := m.class + m.selector; seen[key] {
			t.Errorf("%s twice", key)
		} else {
			seen[key] = true
		}
	}
}

func same(t *testing.T, got, want string) {
	t.Helper()
	want = strings.ReplaceAll(strings.TrimSpace(want), "\t", "")
	if got != want {
		t.Errorf("sent\n%s\n\nwant\n%s", got, want)
	}
}

func TestOpen(t *testing.T) {
	f, g := openFake(t)
	log := f.took()
	families := ""
	for i := 1001; i <= 1032; i++ {
		families += fmt.Sprint("device1 supportsFamily: ", i, "\n")
	}
	same(t, log, `
	device1 name
	string1 UTF8String
	device1 recommendedMaxWorkingSetSize
	device1 maxBufferLength
	device1 maxThreadgroupMemoryLength
	`+families+`device1 supportsFamily: 5001
	MTLCompileOptions new
	object1 setLanguageVersion: 196608
	object1 setFastMathEnabled: 0
	NSString stringWithUTF8String: "the kernels"
	device1 newLibraryWithSource:options:error: "the kernels" object1 pointer
	object1 release
	device1 respondsToSelector: newResidencySetWithDescriptor:error:
	MTLResidencySetDescriptor new
	device1 newResidencySetWithDescriptor:error: object2 pointer
	object2 release`)
	want := properties{name: "Apple M2", family: 8, memory: 12 << 30, maxBuffer: 9 << 30, shared: 32 << 10}
	if g.properties() != want {
		t.Errorf("%+v, want %+v", g.properties(), want)
	}
	if err := g.close(); err != nil {
		t.Fatal(err)
	}
	same(t, f.took(), "residency1 release\nlibrary1 release\ndevice1 release")
	f.allReleased()
}

func TestBuffers(t *testing.T) {
	f, g := openFake(t)
	f.took()
	a, err := g.alloc(48)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.bytes()) != 48 {
		t.Errorf("%d bytes", len(a.bytes()))
	}
	page := int64(os.Getpagesize())
	b, err := g.wrap(uintptr(5*page), 2*page)
	if err != nil {
		t.Fatal(err)
	}
	a.release()
	b.release()
	same(t, f.took(), fmt.Sprintf(`
	device1 newBufferWithLength:options: 48 0
	buffer1 contents
	residency1 addAllocation: buffer1
	residency1 commit
	residency1 requestResidency
	device1 newBufferWithBytesNoCopy:length:options:deallocator: pointer %d 0 0
	residency1 addAllocation: buffer2
	residency1 commit
	residency1 requestResidency
	residency1 removeAllocation: buffer1
	residency1 commit
	residency1 requestResidency
	buffer1 release
	residency1 removeAllocation: buffer2
	residency1 commit
	residency1 requestResidency
	buffer2 release`, 2*page))
	g.close()
	f.allReleased()

	for _, c := range [][2]int64{{5 * page, 0}, {5 * page, page + 1}, {5*page + 1, page}, {5 * page, 9<<30 + page}} {
		if _, err := g.wrap(uintptr(c[0]), c[1]); err == nil {
			t.Errorf("wraps %d bytes at %#x", c[1], c[0])
		}
	}
	for _, n := range []int64{0, -1, 10 << 30} {
		if _, err := g.alloc(n); err == nil {
			t.Errorf("allocates %d bytes", n)
		}
	}
}

func TestQueue(t *testing.T) {
	f, g := openFake(t)
	a, _ := g.alloc(64)
	b, _ := g.alloc(64)
	f.took()
	q, err := g.queue()
	if err != nil {
		t.Fatal(err)
	}
	one, err := g.pipeline("one")
	if err != nil {
		t.Fatal(err)
	}
	if one.threads() != 512 {
		t.Errorf("%d threads", one.threads())
	}
	if again, _ := g.pipeline("one"); again != one {
		t.Error("the same kernel is made twice")
	}
	same(t, f.took(), `
	device1 newCommandQueue
	queue1 addResidencySet: residency1
	NSString stringWithUTF8String: "one"
	library1 newFunctionWithName: "one"
	device1 newComputePipelineStateWithFunction:error: function1 pointer
	pipeline1 maxTotalThreadsPerThreadgroup
	pipeline1 threadExecutionWidth
	function1 release`)
	two, _ := g.pipeline("two")
	f.took()
	args := make([]byte, 24)
	list := []dispatch{
		{pipeline: one, groups: [3]int{5, 2, 1}, threads: 128, shared: 100, args: args, buffers: []binding{{a, 0}, {b, 16}}},
		{pipeline: two, groups: [3]int{1, 1, 1}, threads: 32, args: args, buffers: []binding{{a, 0}, {b, 32}}},
		{pipeline: two, groups: [3]int{3, 1, 1}, threads: 32, shared: 100, buffers: []binding{{b, 0}, {b, 32}}, beside: true},
	}
	if err := q.run(list); err != nil {
		t.Fatal(err)
	}
	same(t, f.took(), `
	queue1 commandBufferWithUnretainedReferences
	commands1 computeCommandEncoderWithDispatchType: 1
	encoder1 setComputePipelineState: pipeline1
	encoder1 setBytes:length:atIndex: pointer 24 0
	encoder1 setBuffer:offset:atIndex: buffer1 0 1
	encoder1 setBuffer:offset:atIndex: buffer2 16 2
	encoder1 setThreadgroupMemoryLength:atIndex: 112 0
	encoder1 dispatchThreadgroups:threadsPerThreadgroup: [5 2 1] [128 1 1]
	encoder1 memoryBarrierWithScope: 1
	encoder1 setComputePipelineState: pipeline2
	encoder1 setBytes:length:atIndex: pointer 24 0
	encoder1 setBuffer:offset:atIndex: buffer2 32 2
	encoder1 dispatchThreadgroups:threadsPerThreadgroup: [1 1 1] [32 1 1]
	encoder1 setBuffer:offset:atIndex: buffer2 0 1
	encoder1 dispatchThreadgroups:threadsPerThreadgroup: [3 1 1] [32 1 1]
	encoder1 endEncoding
	commands1 retain
	commands1 commit`)
	if err := q.run(list[1:2]); err != nil {
		t.Fatal(err)
	}
	f.took()
	if err := q.wait(); err != nil {
		t.Fatal(err)
	}
	same(t, f.took(), `
	commands1 waitUntilCompleted
	commands1 status
	commands1 release
	commands2 waitUntilCompleted
	commands2 status
	commands2 release`)

	f.answers["status"] = statusError
	if err := q.run(list); err != nil {
		t.Fatal(err)
	}
	if err := q.wait(); err == nil || !strings.Contains(err.Error(), "it is too warm (code 7)") {
		t.Errorf("error %v", err)
	}
	if err := q.wait(); err != nil {
		t.Errorf("a second wait gives %v", err)
	}
	for _, d := range []dispatch{
		{pipeline: one, threads: 1024}, {pipeline: one, threads: 32, shared: 33 << 10}, {pipeline: one, threads: 32, args: make([]byte, 5000)},
	} {
		if err := q.run([]dispatch{d}); err == nil || !strings.Contains(err.Error(), "kernel one") {
			t.Errorf("error %v", err)
		}
	}
	q.close()
	a.release()
	b.release()
	g.close()
	f.allReleased()
}

// TestRefusals has devices and systems that cannot do it.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		change func(f *fake)
		want   string
	}{
		{func(f *fake) { f.apple = familyApple1 + 5 }, "Apple M2 is of Apple's GPU family 6, and 7 (M1) or later is needed"},
		{func(f *fake) { f.metal = 0 }, "update macOS to 13"},
		{func(f *fake) { f.answers["newLibraryWithSource:options:error:"] = 0 }, "compiling the kernels: it is too warm (code 7)"},
		{func(f *fake) { f.answers["newResidencySetWithDescriptor:error:"] = 0 }, "residency set: it is too warm"},
	} {
		f := newFake(t)
		c.change(f)
		if _, err := openGPU(f, ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
		f.allReleased()
	}
	f, g := openFake(t)
	for _, c := range []struct {
		selector string
		answer   uintptr
		want     string
	}{
		{"threadExecutionWidth", 64, "kernel k: a SIMD-group has 64 threads"},
		{"newComputePipelineStateWithFunction:error:", 0, "making kernel k ready: it is too warm"},
		{"newFunctionWithName:", 0, "there is no kernel k"},
	} {
		f.answers[c.selector] = c.answer
		if _, err := g.pipeline("k"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.selector, err, c.want)
		}
	}
	f.answers["newBufferWithLength:options:"] = 0
	if _, err := g.alloc(64); err == nil || !strings.Contains(err.Error(), "no memory") {
		t.Errorf("error %v", err)
	}
	q, _ := g.queue()
	for _, selector := range []string{"computeCommandEncoderWithDispatchType:", "commandBufferWithUnretainedReferences"} {
		f.answers[selector] = 0
		if err := q.run(nil); err == nil || !strings.Contains(err.Error(), "no memory for a command buffer") {
			t.Errorf("%s: error %v", selector, err)
		}
	}
	if err := q.wait(); err != nil {
		t.Errorf("with nothing queued: %v", err)
	}
	q.close()
	g.close()
	f.allReleased()
}

// Before macOS 15 there are no residency sets.
func TestNoResidency(t *testing.T) {
	f := newFake(t)
	f.answers["respondsToSelector:"] = 0
	g, err := openGPU(f, "")
	if err != nil {
		t.Fatal(err)
	}
	a, _ := g.alloc(64)
	q, _ := g.queue()
	a.release()
	q.close()
	g.close()
	for _, line := range f.log {
		if strings.Contains(line, "esidency") && !strings.Contains(line, "responds") {
			t.Error(line)
		}
	}
	f.allReleased()
}
