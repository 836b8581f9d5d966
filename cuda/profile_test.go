//go:build gpu

package cuda

import (
	"cmp"
	gocontext "context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
	"unsafe"

	"orthrus/convert"
	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

func init() {
	functions = append(functions, "cuMemcpyDtoDAsync_v2", "cuLaunchKernel", "cuEventCreate", "cuEventRecord", "cuEventElapsedTime", "cuEventDestroy_v2")
}

// profiler is a device that times every kernel by events before and behind it, while it has a list.
type profiler struct {
	*gpu
	list   []timed
	active bool
}

type timed struct {
	kernel        string
	before, after uintptr
}

func (p *profiler) mark() (event uintptr, err error) {
	if err = p.call("cuEventCreate", uintptr(unsafe.Pointer(&event)), 0); err == nil {
		err = p.call("cuEventRecord", event, p.stream)
	}
	return event, err
}

func (p *profiler) launch(kernel string, grid [3]int, block, shared int, args unsafe.Pointer, size uintptr) error {
	if !p.active {
		return p.gpu.launch(kernel, grid, block, shared, args, size)
	}
	before, err := p.mark()
	if err == nil {
		err = p.gpu.launch(kernel, grid, block, shared, args, size)
	}
	if err != nil {
		return err
	}
	after, err := p.mark()
	p.list = append(p.list, timed{kernel, before, after})
	return err
}

// record gives a graph that launches its kernels one by one.
func (p *profiler) record(build func() error) (graph, error) { return &unrecorded{build}, nil }

func (p *profiler) run(g graph) error { return g.(*unrecorded).build() }

type unrecorded struct{ build func() error }

func (*unrecorded) release() {}

// fork gives the profiler itself: it has one queue.
func (p *profiler) fork() (device, error) {
	p.mu.Lock()
	p.queues++
	p.mu.Unlock()
	return p, nil
}

func (p *profiler) close() error {
	p.mu.Lock()
	p.queues--
	p.mu.Unlock()
	return nil
}

// shape8B gives random weights of the 8B shape.
func shape8B(t *testing.T, recipe string) *engine.Model {
	t.Helper()
	const headDim, layers = 128, 36
	types, err := convert.Plan(recipe, "", layers, false)
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Random(engine.Config{
		Arch: "orthrus", Layers: layers, Hidden: 4096, Heads: 32, KVHeads: 8, HeadDim: headDim, FF: 12288, Vocab: 151936,
		Context: 40960, Eps: 1e-6, Rope: engine.NewRope(1e6, headDim), BlockSize: 32, MaskToken: 151669,
	}, false, types)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestProfile prints what kernel takes how much of a pass of the 8B shape, and how long passes take with and without what
// is to make them faster.
func TestProfile(t *testing.T) {
	const depth = 512
	g := testDevice(t).(*gpu)
	b := newBackend(g, "cuda:0")
	t.Cleanup(func() { b.Close() }) // after its decoders
	n, err := engine.Place(shape8B(t, "q4_k_m"), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func(d device, early int32) { b.device, g.early = d, early }(b.device, g.early)
	fmt.Printf("edges of a graph that are programmatic: %s\n", programmaticEdges(t, g))
	fmt.Printf("%-24s %10s %10s %10s %10s %10s\n", "ms behind 512", "n=1", "n=8", "n=32", "step 32", "one by one")
	measure := func(name string) {
		before, _, err := g.memory()
		if err != nil {
			t.Fatal(err)
		}
		d := golden.Decoder(t, n, engine.DecoderOptions{Context: 2048, Cache: gguf.F16})
		fmt.Printf("%-24s", name)
		for _, rows := range []int{1, 8, 32} {
			fmt.Printf(" %10.3f", median(t, func() (time.Duration, error) { return d.TimePass(engine.AR, depth, rows) }))
		}
		fmt.Printf(" %10.3f", median(t, func() (time.Duration, error) { return d.TimeStep(depth, 32) }))
		fmt.Printf(" %10.3f", median(t, func() (time.Duration, error) { return oneByOne(d, depth) }))
		after, _, err := g.memory()
		if err != nil {
			t.Fatal(err)
		}
		m := d.Memory()
		fmt.Printf("   %d MB beyond the plan\n", (before-after-m.Cache-m.Activations)>>20)
	}
	for _, early := range []int32{0, g.early} {
		g.early, b.device = early, launching{g}
		measure(fmt.Sprintf("early %d, no graphs", early))
		for _, ahead := range []int64{0, 4, 8, 16, 32} { // MiB
			b.device = limited{g, 12 * ahead << 20}
			measure(fmt.Sprintf("early %d, ahead %d MiB", early, ahead))
		}
	}
	fmt.Println()
	p := &profiler{gpu: g}
	b.device = p
	d := golden.Decoder(t, n, engine.DecoderOptions{Context: 8192, Cache: gguf.F16})
	for _, view := range []engine.View{engine.AR, engine.Diffusion} {
		for _, rows := range []int{1, 32} {
			p.profile(t, fmt.Sprintf("%v view, %d rows behind %d", view, rows, depth), func() error {
				_, err := d.TimePass(view, depth, rows)
				return err
			})
		}
	}
	p.profile(t, "32 rows behind 8000", func() error {
		_, err := d.TimePass(engine.AR, 8000, 32)
		return err
	})
	p.profile(t, "prompt of 1024", func() error {
		_, err := d.TimePrompt(0, 1024)
		return err
	})
}

// oneByOne is the time of a token of a few, with no other pass between.
func oneByOne(d *engine.Decoder, depth int) (time.Duration, error) {
	const tokens = 16
	if err := d.Blank(depth); err != nil {
		return 0, err
	}
	o := engine.GenerateOptions{Mode: engine.ARMode, MaxTokens: tokens + 1, IgnoreEOG: true}
	stats, err := d.Generate(gocontext.Background(), make([]int32, depth+1), o, func(int32) bool { return true })
	return stats.DecodeTime / tokens, err
}

// programmaticEdges counts the edges of a graph of some kernels, and those over which a kernel may begin early.
func programmaticEdges(t *testing.T, g *gpu) string {
	t.Helper()
	sums, err := g.alloc(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer g.free(sums)
	const relaxed, programmatic = 2, 1
	if err := g.call("cuStreamBeginCapture_v2", g.stream, relaxed); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := launch[multiplyArgs](g, "multiply", [3]int{1, 1, 1}, 32, 0, &multiplyArgs{sums, 1}); err != nil {
			t.Fatal(err)
		}
	}
	var captured uintptr
	if err := g.call("cuStreamEndCapture", g.stream, uintptr(unsafe.Pointer(&captured))); err != nil {
		t.Fatal(err)
	}
	defer g.call("cuGraphDestroy", captured)
	const edges = "cuGraphGetEdges_v2" // which older drivers lack
	library, err := openLibrary()
	if err == nil {
		g.driver[edges], err = symbol(library, edges)
	}
	if err != nil {
		return err.Error()
	}
	var from, to [8]uintptr
	var data [8][8]byte // CUgraphEdgeData: its third byte is the type
	count := len(data)
	err = g.call(edges, captured, uintptr(unsafe.Pointer(&from)), uintptr(unsafe.Pointer(&to)),
		uintptr(unsafe.Pointer(&data)), uintptr(unsafe.Pointer(&count)))
	if err != nil {
		return err.Error()
	}
	early := 0
	for _, edge := range data[:count] {
		if edge[2] == programmatic {
			early++
		}
	}
	return fmt.Sprintf("%d of %d", early, count)
}

// launching is a GPU without graphs.
type launching struct{ *gpu }

func (launching) record(build func() error) (graph, error) { return &unrecorded{build}, nil }

func (launching) run(g graph) error { return g.(*unrecorded).build() }

func (l launching) fork() (device, error) {
	g, err := l.queue()
	return launching{g}, err
}

// limited is a GPU that tells of another L2 cache, a twelfth of which is used to fetch weights ahead.
type limited struct {
	*gpu
	l2 int64
}

func (l limited) properties() properties {
	p := l.gpu.properties()
	p.l2 = l.l2
	return p
}

func (l limited) fork() (device, error) {
	g, err := l.queue()
	return limited{g, l.l2}, err
}

// median is the median time in milliseconds.
func median(t *testing.T, run func() (time.Duration, error)) float64 {
	t.Helper()
	var all []float64
	for i := range 18 {
		d, err := run()
		if err != nil {
			t.Fatal(err)
		}
		if i >= 3 {
			all = append(all, d.Seconds()*1000)
		}
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// profile runs something and prints a table of its kernels.
func (p *profiler) profile(t *testing.T, name string, run func() error) {
	t.Helper()
	if err := run(); err != nil { // loads the kernels
		t.Fatal(err)
	}
	sums, err := p.alloc(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer p.free(sums)
	// While this computes, what is to be timed is queued: no kernel waits for its launch.
	const rounds = 1_000_000
	busy := multiplyArgs{sums, rounds}
	if err := launch[multiplyArgs](p.gpu, "multiply", [3]int{1, 1, 1}, 32, 0, &busy); err != nil {
		t.Fatal(err)
	}
	p.active, p.list = true, nil
	err = run()
	p.active = false
	if err != nil {
		t.Fatal(err)
	}
	type sum struct {
		kernel string
		count  int
		ms     float64
	}
	kernels, total := map[string]*sum{}, 0.0
	for _, l := range p.list {
		var ms float32
		if err := p.call("cuEventElapsedTime", uintptr(unsafe.Pointer(&ms)), l.before, l.after); err != nil {
			t.Fatal(err)
		}
		p.call("cuEventDestroy_v2", l.before)
		p.call("cuEventDestroy_v2", l.after)
		k := kernels[l.kernel]
		if k == nil {
			k = &sum{kernel: l.kernel}
			kernels[l.kernel] = k
		}
		k.count++
		k.ms += float64(ms)
		total += float64(ms)
	}
	fmt.Printf("%s: %d kernels, %.3f ms in them\n", name, len(p.list), total)
	for _, k := range slices.SortedFunc(maps.Values(kernels), func(a, b *sum) int { return cmp.Compare(b.ms, a.ms) }) {
		fmt.Printf("  %-20s %5d  %8.3f ms  %5.1f %%  %7.2f us each\n", k.kernel, k.count, k.ms, 100*k.ms/total, 1000*k.ms/float64(k.count))
	}
}
