//go:build gpu

package cuda

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// timePTX runs a kernel of PTX some times, and gives the shortest.
func timePTX(t testing.TB, g *gpu, ptx, kernel string, grid, threads, runs int, parameters ...unsafe.Pointer) time.Duration {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	text, name := append([]byte(ptx), 0), append([]byte(kernel), 0)
	var module, function uintptr
	check(g.call("cuModuleLoadDataEx", uintptr(unsafe.Pointer(&module)), uintptr(unsafe.Pointer(&text[0])), 0, 0, 0))
	check(g.call("cuModuleGetFunction", uintptr(unsafe.Pointer(&function)), module, uintptr(unsafe.Pointer(&name[0]))))
	best := time.Duration(math.MaxInt64)
	for range runs {
		check(g.wait())
		start := time.Now()
		check(g.call("cuLaunchKernel", function, uintptr(grid), 1, 1, uintptr(threads), 1, 1, 0, g.stream, uintptr(unsafe.Pointer(&parameters[0])), 0))
		check(g.wait())
		best = min(best, time.Since(start))
	}
	return best
}

// handOvers are ways to tell another warp that shared memory is its turn, and to wait for that, by a barrier or gate with a number.
var handOvers = []struct {
	name       string
	give, take string
}{
	{"bar.arrive", "bar.arrive N, 64;", "bar.sync N, 64;"},
	{"bar.sync", "bar.sync N, 64;", "bar.sync N, 64;"},
	{
		"mbarrier", "bar.warp.sync 0xffffffff;\n@%leader mbarrier.arrive.shared.b64 %state, [gateN];",
		"again:\nmbarrier.test_wait.parity.shared.b64 %there, [gateN], %parity;\n@!%there bra again;",
	},
}

// handOverKernel is PTX of a kernel in which two warps hand 16 bytes a lane to and fro, as the chain of kernels/matmul.cuh goes
// from warp to warp.
const handOverKernel = `.version 7.1
.target sm_80
.address_size 64
.visible .entry handOver(.param .u64 out, .param .u64 rounds) {
.shared .align 16 .b8 box[512];
.shared .align 8 .b64 gate1;
.shared .align 8 .b64 gate2;
.reg .b32 %t, %lane, %at, %a0, %a1, %a2, %a3, %n, %parity;
.reg .b64 %p, %n64, %state, %offset;
.reg .pred %there, %leader, %second, %more;
mov.u32 %t, %tid.x;
and.b32 %lane, %t, 31;
setp.eq.u32 %leader, %lane, 0;
mov.u32 %at, box;
mad.lo.u32 %at, %lane, 16, %at;
ld.param.u64 %n64, [rounds];
cvt.u32.u64 %n, %n64;
mov.u32 %parity, 0;
setp.ne.u32 %there, %t, 0;
@%there bra made;
mbarrier.init.shared.b64 [gate1], 1;
mbarrier.init.shared.b64 [gate2], 1;
made:
setp.ge.u32 %second, %t, 32;
@%second bra ready;
mov.u32 %a0, 0;
st.shared.v4.u32 [%at], {%a0, %a0, %a0, %a0};
ready:
bar.sync 0;
@%second bra two;
one:
WORK
GIVE1
TAKE2
COUNT
@%more bra one;
ld.shared.v4.u32 {%a0, %a1, %a2, %a3}, [%at];
ld.param.u64 %p, [out];
mul.wide.u32 %offset, %lane, 16;
add.u64 %p, %p, %offset;
st.global.v4.u32 [%p], {%a0, %a1, %a2, %a3};
ret;
two:
TAKE1
WORK
GIVE2
COUNT
@%more bra two;
ret;
}`

// handOverWork is what a warp does when it has its turn.
const handOverWork = `ld.shared.v4.u32 {%a0, %a1, %a2, %a3}, [%at];
add.u32 %a0, %a0, 1;
add.u32 %a1, %a1, 2;
st.shared.v4.u32 [%at], {%a0, %a1, %a2, %a3};`

// handOverCount ends a round.
const handOverCount = `xor.b32 %parity, %parity, 1;
sub.u32 %n, %n, 1;
setp.ne.u32 %more, %n, 0;`

// TestHandOver runs the ways of handing over: what they compute, and what a hand-over takes. compute-sanitizer's racecheck reports
// the first and the last, which PTX's manual describes for producers and consumers, and not bar.sync on both sides: so what it says
// of kernels that hand over by bar.arrive tells nothing, and test.sh leaves those out.
func TestHandOver(t *testing.T) {
	const rounds = 20000
	g := testDevice(t).(*gpu)
	for _, way := range handOvers {
		t.Run(way.name, func(t *testing.T) {
			with := func(s, id string) string {
				return strings.ReplaceAll(strings.ReplaceAll(s, "again", "again"+id), "N", id)
			}
			ptx := strings.NewReplacer("WORK", handOverWork, "COUNT", handOverCount, "GIVE1", with(way.give, "1"), "GIVE2", with(way.give, "2"),
				"TAKE1", with(way.take, "1"), "TAKE2", with(way.take, "2")).Replace(handOverKernel)
			out, n := room[uint32](t, g, 128), uint64(rounds)
			best := timePTX(t, g, ptx, "handOver", 1, 64, 3, unsafe.Pointer(&out), unsafe.Pointer(&n))
			for i, v := range get[uint32](t, g, out, 128) {
				if want := uint32([]int{2 * rounds, 4 * rounds, 0, 0}[i%4]); v != want {
					t.Fatalf("word %d is %d, want %d", i, v, want)
				}
			}
			fmt.Printf("hand-over by %-10s %6.1f ns\n", way.name, float64(best.Nanoseconds())/(2*rounds))
		})
	}
}
