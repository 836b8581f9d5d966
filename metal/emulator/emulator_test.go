//go:build emulator && linux

package emulator

import (
	"os"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"orthrus/internal/emulator"
)

var load = sync.OnceValues(func() (*emulator.Machine, error) {
	text, err := os.ReadFile("testdata/kernels.metal")
	if err != nil {
		return nil, err
	}
	return Load(".", string(text), true)
})

func machine(t *testing.T) *emulator.Machine {
	t.Helper()
	m, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// shared gives n zeroed values that kernels can use, and their address.
func shared[T any](t *testing.T, m *emulator.Machine, n int) ([]T, uintptr) {
	t.Helper()
	var v T
	p, err := m.Allocate(int64(n) * int64(unsafe.Sizeof(v)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Release(p) })
	return unsafe.Slice((*T)(unsafe.Pointer(&emulator.Bytes(p, n*int(unsafe.Sizeof(v)))[0])), n), p
}

type scaleArgs struct {
	n     int32
	scale float32
}

func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

func TestScale(t *testing.T) {
	m := machine(t)
	x, xp := shared[float32](t, m, 1000)
	y, yp := shared[float32](t, m, 1000)
	for i := range x {
		x[i] = float32(i)
	}
	args := scaleArgs{1000, 3}
	if err := Launch(m, "scale", [3]int{8, 1, 1}, 128, 0, bytesOf(&args), []uintptr{xp, yp}, 1); err != nil {
		t.Fatal(err)
	}
	for i := range y {
		if y[i] != float32(3*i) {
			t.Fatal(i, y[i])
		}
	}
}

// TestErrors provokes what the emulator promises to find.
func TestErrors(t *testing.T) {
	m := machine(t)
	_, p := shared[float32](t, m, 1000)
	args := scaleArgs{n: 1024}
	for _, c := range []struct {
		kernel  string
		threads int
		args    []byte
		buffers []uintptr
		want    string
	}{
		{"scale", 1024, bytesOf(&args), []uintptr{p, p}, "touches byte 4"},
		{"scale", 64, bytesOf(&args)[:4], []uintptr{p, p}, "argument struct has 8 bytes, not 4"},
		{"scale", 64, bytesOf(&args), []uintptr{p}, "nothing is bound at buffer(2)"},
		{"scale", 64, bytesOf(&args), []uintptr{p + 2, p}, "not a multiple of 4"},
		{"half_barrier", 64, nil, []uintptr{p}, "barrier"},
		{"reversed", 256, bytesOf(&scaleArgs{}), []uintptr{p}, "which nobody has written"},
		{"poison", 32, nil, []uintptr{p}, "reads byte 4 of dynamic shared memory, which nobody has written"},
		{"divergent", 32, nil, []uintptr{p}, "simd_sum"},
		{"misaligned", 32, nil, []uintptr{p, p}, "not a multiple of 4"},
		{"outside", 32, bytesOf(&args), []uintptr{p}, "index outside of its array"},
		{"multiply_half", 16, nil, []uintptr{p, p, p}, "SIMD-group"},
		{"nothing", 32, nil, nil, "no kernel nothing"},
	} {
		err := Launch(m, c.kernel, [3]int{1, 1, 1}, c.threads, 1024, c.args, c.buffers, 1)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.kernel, err, c.want)
		}
	}
}

func TestBarrier(t *testing.T) {
	m := machine(t)
	const threads = 256
	x, p := shared[float32](t, m, threads)
	for seed := range uint64(4) {
		for i := range x {
			x[i] = float32(i)
		}
		args := scaleArgs{scale: 1}
		if err := Launch(m, "reversed", [3]int{1, 1, 1}, threads, 4*threads, bytesOf(&args), []uintptr{p}, seed); err != nil {
			t.Fatal(err)
		}
		for i := range x {
			if x[i] != float32(threads-1-i) {
				t.Fatalf("element %d is %g", i, x[i])
			}
		}
	}
}

func TestLanes(t *testing.T) {
	m := machine(t)
	type results struct {
		Sum, Least, Most, Prefix, Before, Up, Xored, Broadcast int32
		Ballot                                                 uint32
		Sumf                                                   float32
	}
	r, p := shared[results](t, m, 64)
	if err := Launch(m, "lanes", [3]int{1, 1, 1}, 64, 0, nil, []uintptr{p}, 3); err != nil {
		t.Fatal(err)
	}
	value := func(lane int) int32 { return int32(lane)*3 - 7 }
	var before int32
	for lane := range 32 {
		want := results{
			Sum: 32*31/2*3 - 7*32, Least: -7, Most: 31*3 - 7, Prefix: before + value(lane), Before: before,
			Xored: value(lane ^ 5), Broadcast: value(9), Ballot: ^uint32(7), Sumf: 32*31/2 + 32 + 16,
		}
		if lane >= 2 {
			want.Up = value(lane - 2)
		}
		for group := range 2 {
			if got := r[group*32+lane]; got != want {
				t.Errorf("lane %d of %d: %+v, want %+v", lane, group, got, want)
			}
		}
		before += value(lane)
	}
}

func TestMatrix(t *testing.T) {
	m := machine(t)
	a, ap := shared[float32](t, m, 128)
	b, bp := shared[float32](t, m, 64)
	c, cp := shared[float32](t, m, 128)
	want := make([]float32, 128)
	for seed := range uint64(8) {
		for i := range 8 {
			for j := range 8 {
				a[16*i+j] = float32(i*j%7 - 3)
				b[8*i+j] = float32((i+2*j)%5 - 2)
				c[16*i+j] = float32(i - j)
			}
		}
		for i := range 8 {
			for j := range 8 {
				sum := c[16*i+j]
				for k := range 8 {
					sum += a[16*i+k] * b[8*j+k]
				}
				want[16*i+j] = 2 * sum
			}
		}
		if err := Launch(m, "multiply_float", [3]int{1, 1, 1}, 32, 0, nil, []uintptr{ap, bp, cp}, seed); err != nil {
			t.Fatal(err)
		}
		for i := range c {
			if c[i] != want[i] {
				t.Fatalf("element %d: %g, want %g", i, c[i], want[i])
			}
		}
	}
}

func TestNumbers(t *testing.T) {
	m := machine(t)
	type numbers struct {
		Fused, Separate, Exponential float32
		Bits                         uint32
		Halves                       [2]uint16
		High                         uint32
		Bytes                        [4]uint8
		Selected                     int32
		Wide                         uint64
	}
	r, p := shared[numbers](t, m, 1)
	h, hp := shared[uint16](t, m, 2)
	h[0], h[1] = 0x3C01, 0x3C01 // 1 + 2^-10
	if err := Launch(m, "numbers", [3]int{1, 1, 1}, 1, 0, nil, []uintptr{p, hp}, 3); err != nil {
		t.Fatal(err)
	}
	want := numbers{
		Fused: 1.0/2048 + 1.0/(1<<24), Separate: 1.0 / 2048, Exponential: 2.7182817, Bits: 0xC0003C00,
		Halves: [2]uint16{0x4001, 0x3C02}, High: 3, Bytes: [4]uint8{4, 3, 2, 1}, Selected: 1200, Wide: 9 + 8 + 31 + 3,
	}
	if r[0] != want {
		t.Errorf("%+v, want %+v", r[0], want)
	}
}

func TestAtomic(t *testing.T) {
	m := machine(t)
	x, p := shared[uint32](t, m, 1)
	if err := Launch(m, "count", [3]int{16, 1, 1}, 64, 0, nil, []uintptr{p}, 3); err != nil {
		t.Fatal(err)
	}
	if x[0] != 1024 {
		t.Error(x[0])
	}
}

// TestRefused has texts that Metal would not compile.
func TestRefused(t *testing.T) {
	const head = "#include <metal_stdlib>\n#include <metal_simdgroup_matrix>\nusing namespace metal;\nstruct S { float v; float get() const { return v; } };\n"
	// in is a kernel with such a body.
	in := func(body string) string {
		return "kernel void f(device float *x [[buffer(1)]], device const S *s [[buffer(2)]], threadgroup float *y [[threadgroup(0)]], uint t [[thread_index_in_threadgroup]]) {" + body + "}"
	}
	for _, c := range []struct{ text, want string }{
		// Address spaces.
		{in("const float *z = x; x[0] = *z;"), `"const float *" has no address space`},
		{in("x[0] = *(float4 *)x;"), `"float4 *" has no address space`},
		{in("auto &z = x[0]; z = 1;"), "has no address space"},
		{"float g(const float *x) { return *x; }", "has no address space"},
		{"template <typename T> float g(T &x) { return x; }", "has no address space"},
		{"float g(threadgroup float *x) { return *x; }" + in("x[0] = g(x);"), "no matching function"},
		{in("thread float *z = x; x[0] = *z;"), "cannot initialize"},
		{in("x[0] = *(thread float *)x;"), "mismatching address spaces"},
		{in("x[0] = *(device float *)y;"), "mismatching address spaces"},
		{"template <int n> kernel void g(device float *x [[buffer(1)]]) { x[0] = *(thread float *)x; }\n" +
			`template [[host_name("g")]] kernel decltype(g<1>) g<1>;`, "mismatching address spaces"},
		{in("x[0] = s[1].get();"), "cannot initialize object parameter"},
		// Variables.
		{"const int n = 4;" + in("x[0] = n;"), "must reside in constant address space"},
		{"struct A { static constexpr int n = 4; };", "must reside in constant address space"},
		{in("static int n = 4; x[0] = n;"), "must reside in constant address space"},
		{"float g() { threadgroup float z[4]; z[0] = 1; return z[0]; }", "local address space"},
		{"struct Args { int n; };\nkernel void g(constant Args &a [[buffer(0)]]) { a.n = 1; }", "const"},
		// What C++ has, and Metal has not.
		{in("double z = x[0]; x[0] = z;"), "double"},
		{"struct A { virtual float g() { return 1; } };", "virtual"},
		{in("x[0] = *new float;"), "new"},
		{"float g(float);" + in("float (*z)(float) = g; x[0] = z(1);"), "pointers to functions"},
		{in("a: x[0] = 1; goto a;"), "there is no goto"},
		// Overloading and conversions.
		{in("x[0] = min(t, 4);"), "min"},
		{in("x[0] = sqrt(t);"), "sqrt"},
		{in("x[0] = simd_sum(long(t));"), "simd_sum"},
		{in("int4 z = float4(1); x[0] = z.x;"), "vector"},
		{in("x[0] = float4(1, 2, 3).x;"), "parts are not as wide"},
		{in("x[0] = as_type<float>(half(1));"), "static assertion failed"},
		{in("simdgroup_float8x8 m; simdgroup_load(m, (device half *)x);"), "no matching function"},
		// Attributes.
		{"kernel void g(device float *x) {}", "no attribute"},
		{"kernel void g(constant float &x [[buffer(0)]], device float *y [[buffer(x)]]) {}", "no attribute"},
	} {
		if _, err := Load(".", head+c.text, true); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.text, err, c.want)
		}
	}
	if _, err := Load(".", head+in("x[0] = min(t, 4u) + s[1].v;"), true); err != nil {
		t.Error(err)
	}
}

// TestSubnormal has subnormal floats flushed or not, by the seed; subnormal halves are normal floats.
func TestSubnormal(t *testing.T) {
	m := machine(t)
	x, xp := shared[float32](t, m, 2)
	y, yp := shared[float32](t, m, 2)
	h, hp := shared[uint16](t, m, 1)
	x[0], x[1], h[0] = 0x1p-100, 0x1p-30, 1
	for seed, want := range []float32{0x1p-130, 0} {
		if err := Launch(m, "subnormal", [3]int{1, 1, 1}, 1, 0, nil, []uintptr{xp, yp, hp}, uint64(seed)); err != nil {
			t.Fatal(err)
		}
		if y[0] != want || y[1] != 0x1p-24 {
			t.Errorf("seed %d: %g and %g, want %g and %g", seed, y[0], y[1], want, float32(0x1p-24))
		}
	}
}
