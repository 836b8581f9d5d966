//go:build gpu

package cuda

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"orthrus/gguf"
	"orthrus/quant"
)

// multiplication is the products of one MatMul of a model.
type multiplication struct {
	name string
	rows []int // of each weight
	cols int
	add  bool
}

var multiplications = []multiplication{
	{"8B-qkv", []int{4096, 1024, 1024}, 4096, false},
	{"8B-o", []int{4096}, 4096, true},
	{"8B-gateup", []int{12288, 12288}, 4096, false},
	{"8B-down", []int{4096}, 12288, true},
	{"8B-output", []int{151936}, 4096, false},
	{"1.7B-qkv", []int{2048, 1024, 1024}, 2048, false},
	{"1.7B-o", []int{2048}, 2048, true},
	{"1.7B-gateup", []int{6144, 6144}, 2048, false},
	{"1.7B-down", []int{2048}, 6144, true},
}

// weights is their number.
func (m multiplication) weights() (n int) {
	for _, rows := range m.rows {
		n += rows * m.cols
	}
	return n
}

// productBench has memory of random bytes, more than any cache, in which weights lie.
type productBench struct {
	b     *testing.B
	d     device
	pool  pointer
	bytes int64
	copy  float64 // bytes a second of a copy, read and written
}

func newProductBench(b *testing.B) *productBench {
	p := &productBench{b: b, d: testDevice(b), bytes: 3 << 29}
	rng := rand.New(rand.NewPCG(1, 2))
	random := make([]byte, p.bytes)
	for i := 0; i < len(random); i += 8 {
		v := rng.Uint64()
		for j := range 8 {
			random[i+j] = byte(v >> (8 * j))
		}
	}
	p.pool = put(b, p.d, random)
	p.copy = p.measureCopy()
	return p
}

// measureCopy gives the bandwidth of a copy inside of device memory, the best of some.
func (p *productBench) measureCopy() float64 {
	g := p.d.(*gpu)
	half := p.bytes / 2
	best := 0.0
	for range 10 {
		const times = 20
		p.wait()
		start := time.Now()
		for range times {
			if err := g.call("cuMemcpyDtoDAsync_v2", uintptr(p.pool+pointer(half)), uintptr(p.pool), uintptr(half), g.stream); err != nil {
				p.b.Fatal(err)
			}
		}
		p.wait()
		best = max(best, times*2*float64(half)/time.Since(start).Seconds())
	}
	return best
}

func (p *productBench) wait() {
	if err := p.d.wait(); err != nil {
		p.b.Fatal(err)
	}
}

// time gives the seconds that a multiplication takes, launched by do with one set of weights after the other, and the bytes
// of weights. The median of some graphs of many.
func (p *productBench) time(m multiplication, t gguf.Type, n int, do func(in input, add bool, list []product) error) (seconds float64, bytes int64) {
	b := p.b
	in := input{floats: matrix{room[float32](b, p.d, n*m.cols), n, m.cols}}
	rng := rand.New(rand.NewPCG(3, 4))
	x := make([]float32, n*m.cols)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	if err := p.d.upload(in.floats.at, asBytes(x)); err != nil {
		b.Fatal(err)
	}
	if form := quant.FormOf(t); form != quant.FormFloat {
		in.acts = acts{form, room[byte](b, p.d, int(actBytes(form, n, m.cols))), n, m.cols}
		if err := quantize(p.d, in.acts, in.floats); err != nil {
			b.Fatal(err)
		}
	}
	var dst []matrix
	for _, rows := range m.rows {
		dst = append(dst, matrix{room[float32](b, p.d, n*rows), n, rows})
		bytes += packedBytes(t, rows, m.cols)
	}
	sets := max(1, int(p.bytes/bytes))
	launches := min(max(int(2e-3*p.copy/float64(bytes)), 2), 200) // about 2 ms and more
	at := 0
	g, err := p.d.record(func() error {
		for range launches {
			next := p.pool + pointer(int64(at%sets)*bytes)
			at++
			var list []product
			for i, rows := range m.rows {
				w := &weight{t, rows, m.cols, next}
				list = append(list, product{w, dst[i]})
				next += pointer(w.span().bytes)
			}
			if err := do(in, m.add, list); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	defer g.release()
	var times []float64
	for i := range 12 {
		p.wait()
		start := time.Now()
		if err := p.d.run(g); err != nil {
			b.Fatal(err)
		}
		p.wait()
		if i >= 2 {
			times = append(times, time.Since(start).Seconds()/float64(launches))
		}
	}
	slices.Sort(times)
	return times[len(times)/2], bytes
}

// BenchmarkProducts prints, for each multiplication, type and number of rows, the time in microseconds and its share of what
// is measured to be possible: of a copy's bandwidth, for weights alone.
func BenchmarkProducts(b *testing.B) {
	p := newProductBench(b)
	fmt.Printf("copy: %.0f GB/s\n", p.copy/1e9)
	few := []int{1, 2, 4, 8, 16, 32, 64}
	fmt.Printf("%-12s %-5s %6s", "", "", "floor")
	for _, n := range few {
		fmt.Printf(" %13s", fmt.Sprint("n=", n))
	}
	fmt.Println("   T(8) T(32)")
	for _, t := range []gguf.Type{gguf.Q4_K, gguf.Q8_0, gguf.Q6_K, gguf.Q5_K, gguf.Q4_0, gguf.BF16} {
		for _, m := range multiplications {
			var line string
			took := map[int]float64{}
			var bytes int64
			for _, n := range few {
				took[n], bytes = p.time(m, t, n, func(in input, add bool, list []product) error { return products(p.d, in, add, list) })
				line += fmt.Sprintf(" %7.1f %4.0f%%", took[n]*1e6, 100*float64(bytes)/took[n]/p.copy)
			}
			fmt.Printf("%-12s %-5v %6.1f%s   %.2f %.2f\n", m.name, t, float64(bytes)/p.copy*1e6, line, took[8]/took[1], took[32]/took[1])
		}
	}
}

// BenchmarkPrompts compares blocks of 4 and 8 warps for products with many rows: integer operations a second, and their share of what
// the instruction reaches alone.
func BenchmarkPrompts(b *testing.B) {
	p := newProductBench(b)
	peak := p.measurePeak(epilogues[0], 8, 32)
	fmt.Printf("mma.m16n8k32 alone: %.0f TOPS\n", peak/1e12)
	for _, t := range []gguf.Type{gguf.Q4_K, gguf.Q8_0, gguf.Q6_K, gguf.Q5_K, gguf.Q4_0} {
		for _, m := range multiplications {
			line := ""
			for _, n := range []int{128, 256, 1024} {
				if m.rows[0] > 1<<16 {
					continue // prompts need no logits
				}
				for _, warps := range []int{4, 8} {
					took, _ := p.time(m, t, n, func(in input, add bool, list []product) error {
						return manyProducts(p.d, in.acts, add, list, warps)
					})
					rate := 2 * float64(n) * float64(m.weights()) / took
					line += fmt.Sprintf("  n=%d by %d: %4.0f TOPS %2.0f%%", n, warps, rate/1e12, 100*rate/peak)
				}
			}
			fmt.Printf("%-12s %-5v%s\n", m.name, t, line)
		}
	}
}

// BenchmarkShapes compares ways to divide products of few rows, by their share of a copy's bandwidth.
func BenchmarkShapes(b *testing.B) {
	p := newProductBench(b)
	ways := []fewShape{{warps: 8, blocks: 2}, {warps: 16, blocks: 1}, {warps: 4, blocks: 4}}
	fmt.Printf("%-24s  blocks x warps on a multiprocessor\n%24s", "", "")
	for _, s := range ways {
		fmt.Printf(" %8s", fmt.Sprintf("%d x %d", s.blocks, s.warps))
	}
	fmt.Println()
	for _, t := range []gguf.Type{gguf.Q4_K, gguf.Q8_0, gguf.Q6_K} {
		for _, m := range multiplications {
			for _, n := range []int{1, 8, 16, 32, 64} {
				fmt.Printf("%-12s %-5v %2d   ", m.name, t, n)
				for _, s := range ways {
					if _, passes := fewColumns(n); passes*s.warps > 16 {
						fmt.Printf(" %8s", "-")
						continue
					}
					took, bytes := p.time(m, t, n, func(in input, add bool, list []product) error { return fewProducts(p.d, in.acts, add, list, s) })
					fmt.Printf(" %7.0f%%", 100*float64(bytes)/took/p.copy)
				}
				fmt.Println()
			}
		}
	}
}
