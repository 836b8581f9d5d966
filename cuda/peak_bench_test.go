//go:build gpu

package cuda

import (
	"fmt"
	"strings"
	"testing"
	"unsafe"
)

// An epilogue is what goes with a product mma.m16n8k32 of weights and activations before its sums are used: PTX for one of its four
// results v, which adds to the accumulator r (an integer or the bits of a float), and what the sums begin with.
type epilogue struct {
	name, from, code string
}

var epilogues = []epilogue{
	{name: "nothing: sums accumulate"},
	{"times a scale, added: q4_k", "%zero", "mad.lo.s32 R, V, %scale, R;"},
	{"less an offset, times two scales, added: q8_0", "%offset", "mov.b32 %f, V;\n\tsub.f32 %f, %f, 0f4B400000;\n\tmul.f32 %d, %w, X;\n\tmov.b32 %g, R;\n\tfma.rn.f32 %g, %d, %f, %g;\n\tmov.b32 R, %g;"},
	{"converted, times two scales, added: q8_0", "%zero", "cvt.rn.f32.s32 %f, V;\n\tmul.f32 %d, %w, X;\n\tmov.b32 %g, R;\n\tfma.rn.f32 %g, %d, %f, %g;\n\tmov.b32 R, %g;"},
}

// peakKernel is PTX of a kernel that does products beside each other, each with its epilogue, some turns.
func (e epilogue) peakKernel(products, turns int) string {
	var body, begin, end strings.Builder
	registers := func(name string, n int) string {
		return fmt.Sprintf("{%%%s%d,%%%s%d,%%%s%d,%%%s%d}", name, n, name, n+1, name, n+2, name, n+3)
	}
	for p := range products {
		to, from := registers("r", 4*p), registers("r", 4*p)
		if e.from != "" {
			to, from = registers("v", 4*p), fmt.Sprintf("{%s,%s,%s,%s}", e.from, e.from, e.from, e.from)
		}
		fmt.Fprintf(&body, "\tmma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 %s, {%%a0,%%a1,%%a2,%%a3}, {%%b%d,%%b%d}, %s;\n", to, 2*p, 2*p+1, from)
		for i := range 4 {
			code := strings.NewReplacer("R", fmt.Sprintf("%%r%d", 4*p+i), "V", fmt.Sprintf("%%v%d", 4*p+i), "X", fmt.Sprintf("%%x%d", 4*p+i)).Replace(e.code)
			fmt.Fprintf(&body, "\t%s\n", code)
		}
	}
	for r := range 4 * products {
		fmt.Fprintf(&begin, "\tmov.u32 %%r%d, 0;\n\tadd.u32 %%v%d, %%t, %d;\n\tcvt.rn.f32.u32 %%x%d, %%v%d;\n", r, r, r, r, r)
		if r > 0 {
			fmt.Fprintf(&end, "\txor.b32 %%r0, %%r0, %%r%d;\n", r)
		}
	}
	for i := range 4 + 2*products {
		register := fmt.Sprint("a", i)
		if i >= 4 {
			register = fmt.Sprint("b", i-4)
		}
		fmt.Fprintf(&begin, "\tmad.lo.u32 %%%s, %%t, 2654435761, %d;\n", register, 0x12345678*(i+1)&0x7fffffff)
	}
	return fmt.Sprintf(`.version 7.0
.target sm_80
.address_size 64
.visible .entry peak(.param .u64 out) {
	.reg .b32 %%r<%d>, %%v<%d>, %%a<4>, %%b<%d>, %%t, %%n, %%zero, %%offset, %%scale;
	.reg .f32 %%f, %%g, %%d, %%w, %%x<%d>;
	.reg .b64 %%p;
	.reg .pred %%more;
	mov.u32 %%t, %%tid.x;
	mov.u32 %%zero, 0;
	mov.u32 %%offset, 0x4b400000;
	and.b32 %%scale, %%t, 63;
	cvt.rn.f32.u32 %%w, %%t;
%s	mov.u32 %%n, %d;
again:
%s	add.f32 %%w, %%w, 0f3F800000;
	xor.b32 %%a0, %%a0, %%n;
	sub.u32 %%n, %%n, 1;
	setp.ne.u32 %%more, %%n, 0;
	@%%more bra again;
%s	ld.param.u64 %%p, [out];
	setp.eq.u32 %%more, %%r0, 12345;
	@%%more st.global.u32 [%%p], %%r0;
	ret;
}`, 4*products, 4*products, 2*products, 4*products, begin.String(), turns, body.String(), end.String())
}

// measurePeak gives the integer operations a second of mma.m16n8k32 on registers, with an epilogue, by so many warps on each
// multiprocessor: the best of ten short runs.
func (p *productBench) measurePeak(e epilogue, products, warps int) float64 {
	const turns, threads = 2000, 128
	grid := warps * 32 / threads * p.d.properties().multiprocessors
	best := timePTX(p.b, p.d.(*gpu), e.peakKernel(products, turns), "peak", grid, threads, 10, unsafe.Pointer(&p.pool))
	return 2 * 16 * 8 * 32 * float64(products*turns) * float64(grid*threads/32) / best.Seconds()
}

// BenchmarkPeak prints what the instruction reaches with nothing but what the formats make necessary, by how many warps a
// multiprocessor has: what a kernel for prompts could reach that loads nothing.
func BenchmarkPeak(b *testing.B) {
	p := newProductBench(b)
	for _, e := range epilogues {
		fmt.Printf("%-48s", e.name)
		for _, warps := range []int{4, 8, 16} {
			fmt.Printf("  %2d warps: %5.0f TOPS", warps, p.measurePeak(e, 8, warps)/1e12)
		}
		fmt.Println()
	}
}
