//go:build emulator && linux

package emulator

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"orthrus/internal/emulator"
)

var loadTests = sync.OnceValues(func() (*emulator.Machine, error) { return Load(".", "testdata/kernels.cu", false) })

func machine(t testing.TB) *emulator.Machine {
	t.Helper()
	m, err := loadTests()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// memory is device memory with a copy of data, until the test ends.
func memory(t testing.TB, m *emulator.Machine, data []byte) uintptr {
	t.Helper()
	p, err := m.Allocate(int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Release(p); err != nil {
			t.Error(err)
		}
	})
	if err := m.Upload(p, data); err != nil {
		t.Fatal(err)
	}
	return p
}

func launch[T any](m *emulator.Machine, kernel string, blocks, threads, shared int, args T, seed uint64) error {
	return m.Launch(kernel, [3]int{blocks, 1, 1}, [3]int{threads, 1, 1}, shared, unsafe.Pointer(&args), unsafe.Sizeof(args), seed)
}

// Rows and columns as the PTX manual numbers the values of a lane's fragments, for integers ("Matrix fragments for
// mma.m16n8k16 with integer type", "mma.m16n8k32") and for halves ("mma.m16n8k16 with floating point type").
func placeA(kind, lane, i int) (row, k int) {
	group, thread := lane/4, lane%4
	switch kind {
	case 0, 1: // sixteen bytes
		row, k = group, thread*4+i&3
		if !(i < 4 || 8 <= i && i < 12) {
			row += 8
		}
		if i >= 8 {
			k += 16
		}
	case 2: // eight bytes
		row, k = group, thread*4+i&3
		if i >= 4 {
			row += 8
		}
	case 3: // eight halves
		row, k = group, thread*2+i&1
		if !(i < 2 || 4 <= i && i < 6) {
			row += 8
		}
		if i >= 4 {
			k += 8
		}
	}
	return row, k
}

func placeB(kind, lane, i int) (k, column int) {
	group, thread := lane/4, lane%4
	switch kind {
	case 0, 1:
		k = thread*4 + i&3
		if i >= 4 {
			k += 16
		}
	case 2:
		k = thread*4 + i
	case 3:
		k = thread*2 + i&1
		if i >= 2 {
			k += 8
		}
	}
	return k, group
}

func placeC(lane, i int) (row, column int) {
	row, column = lane/4, lane%4*2+i&1
	if i >= 2 {
		row += 8
	}
	return row, column
}

func TestProduct(t *testing.T) {
	m := machine(t)
	random := rand.New(rand.NewPCG(1, 2))
	for kind, test := range []struct {
		name  string
		depth int
		most  int // values of a; b has those of int8, or of a for halves
		least int
	}{{"s8 m16n8k32", 32, 127, -128}, {"u8 m16n8k32", 32, 255, 0}, {"s8 m16n8k16", 16, 127, -128}, {"f16 m16n8k16", 16, 8, -8}} {
		t.Run(test.name, func(t *testing.T) {
			for try := range uint64(4) {
				var a, b [32][32]int // [row][k], [k][column]
				var c [16][8]int
				fill := func(p *int, least, most int) {
					*p = least + random.IntN(most-least+1)
					if try == 0 {
						*p = least
					}
				}
				for i := range 16 {
					for k := range test.depth {
						fill(&a[i][k], test.least, test.most)
					}
				}
				for k := range test.depth {
					for j := range 8 {
						if fill(&b[k][j], -128, 127); kind == 3 {
							fill(&b[k][j], test.least, test.most)
						}
					}
				}
				bytes := 1
				value := func(v int) []byte { return []byte{byte(v)} }
				if kind == 3 {
					bytes = 2
					value = func(v int) []byte { return binary.LittleEndian.AppendUint16(nil, half(v)) }
				}
				var wordsA, wordsB, wordsC []byte
				for lane := range 32 {
					for i := range 16 * test.depth / 32 {
						row, k := placeA(kind, lane, i)
						wordsA = append(wordsA, value(a[row][k])...)
					}
					for i := range 8 * test.depth / 32 {
						k, column := placeB(kind, lane, i)
						wordsB = append(wordsB, value(b[k][column])...)
					}
					for i := range 4 {
						row, column := placeC(lane, i)
						c[row][column] = random.IntN(1000)
						bits := uint32(c[row][column])
						if kind == 3 {
							bits = math.Float32bits(float32(c[row][column]))
						}
						wordsC = binary.LittleEndian.AppendUint32(wordsC, bits)
					}
				}
				if len(wordsA) != 16*test.depth*bytes {
					t.Fatal(len(wordsA))
				}
				at := memory(t, m, wordsC)
				args := struct {
					a, b, c uintptr
					kind    int64
				}{memory(t, m, wordsA), memory(t, m, wordsB), at, int64(kind)}
				if err := launch(m, "product", 1, 32, 0, args, try); err != nil {
					t.Fatal(err)
				}
				if err := m.Download(wordsC, at); err != nil {
					t.Fatal(err)
				}
				for lane := range 32 {
					for i := range 4 {
						row, column := placeC(lane, i)
						want := c[row][column]
						for k := range test.depth {
							want += a[row][k] * b[k][column]
						}
						bits := binary.LittleEndian.Uint32(wordsC[16*lane+4*i:])
						got := int(int32(bits))
						if kind == 3 {
							got = int(math.Float32frombits(bits))
						}
						if got != want {
							t.Fatalf("row %d, column %d: %d, want %d", row, column, got, want)
						}
					}
				}
			}
		})
	}
}

// half is a small integer in half precision.
func half(v int) uint16 {
	bits := math.Float32bits(float32(v))
	if v == 0 {
		return 0
	}
	return uint16(bits>>16&0x8000 | (bits>>23&255-112)<<10 | bits>>13&0x3FF)
}

// misuse runs one way to go wrong, in two blocks of 128 threads with 128 words of shared memory, and gives what the threads wrote.
func misuse(t *testing.T, kind int64, seed uint64) ([]uint32, error) {
	t.Helper()
	m := machine(t)
	x := make([]byte, 400)
	if kind != 13 && kind != 20 {
		for i := range x {
			x[i] = byte(i)
		}
	}
	out := make([]byte, 2*128*4)
	at := memory(t, m, out)
	args := struct {
		x, y uintptr
		kind int64
	}{memory(t, m, x), at, kind}
	err := launch(m, "misuse", 2, 128, 512, args, seed)
	if err := m.Download(out, at); err != nil {
		t.Fatal(err)
	}
	words := make([]uint32, 256)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(out[4*i:])
	}
	return words, err
}

func TestErrors(t *testing.T) {
	for kind, want := range map[int64]string{
		1:  "of an allocation of 400 bytes",
		2:  "writes byte 400 of an allocation of 400 bytes",
		3:  "writes byte -",
		4:  "of dynamic shared memory of 512 bytes",
		5:  "byte -1 of dynamic shared memory of 512 bytes",
		6:  "nobody can go on: threads 0 to 69 wait at barrier 0 (127 of 128 there), thread 70 has ended, threads 71 to 127 wait at barrier 0 (127 of 128 there)",
		7:  "nobody can go on: threads 0 to 63 wait at barrier 1 (64 of 128 there), threads 64 to 127 wait at barrier 2 (64 of 128 there)",
		8:  "nobody can go on: threads 0 to 15 wait in __ballot_sync (mask ffffffff), threads 16 to 31 wait in __shfl_sync (mask ffffffff)",
		9:  "shuffle: lane 0 asks lane 20, which the mask 0000ffff leaves out",
		10: "__shfl_sync by lane",
		11: "is not a multiple of 16",
		12: "fills its stack",
		13: "spins: what it waits for does not happen",
		14: "barrier 1 opened by a part of warp",
		15: "no allocation",
		16: "of dynamic shared memory, which nobody has written",
		17: "of dynamic shared memory, which nobody has written",
		19: "of dynamic shared memory, which",
		22: "which thread",
		23: "kernels.cu:",
		24: "kernels.cu:",
		26: "writes byte 0 of an allocation of 400 bytes before it has awaited the launch before",
		28: "of this launch writes too",
		29: "of this launch",
		27: "no thread awaits the launch before",
	} {
		for seed := range uint64(3) {
			_, err := misuse(t, kind, seed)
			if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "misuse") {
				t.Errorf("misuse %d: %v, want %q", kind, err, want)
			}
		}
	}
}

// What was not written, or is not there yet, is poison; what is right is not disturbed.
func TestResults(t *testing.T) {
	word := func(i int) uint32 {
		return binary.LittleEndian.Uint32([]byte{byte(4 * i), byte(4*i + 1), byte(4*i + 2), byte(4*i + 3)})
	}
	for seed := range uint64(10) {
		for _, test := range []struct {
			kind int64
			want func(i int) uint32
		}{
			{0, func(i int) uint32 { return uint32(2*(i^32) + i ^ 1) }},
			{18, func(i int) uint32 {
				if i < 100 {
					return word(i)
				}
				return 0
			}},
			{25, func(int) uint32 { return word(0) }},
			{21, func(i int) uint32 { return uint32(max(i-64, 0)) }},
		} {
			got, err := misuse(t, test.kind, seed)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range got {
				if want := test.want(i % 128); v != want {
					t.Fatalf("%d, seed %d, thread %d: %d, want %d", test.kind, seed, i, v, want)
				}
			}
		}
		last, err := misuse(t, 20, seed)
		if err != nil {
			t.Fatal(err)
		}
		n := uint32(0)
		for _, v := range last {
			n += v
		}
		if n != 1 {
			t.Fatalf("seed %d: %d threads were the last", seed, n)
		}
	}
}

func TestScale(t *testing.T) {
	m := machine(t)
	in := make([]byte, 4000)
	for i := range 1000 {
		binary.LittleEndian.PutUint32(in[4*i:], math.Float32bits(float32(i)))
	}
	out := memory(t, m, make([]byte, 4000))
	args := struct {
		x, y   uintptr
		n      int32
		factor float32
	}{memory(t, m, in), out, 1000, 3}
	if err := launch(m, "scale", 8, 128, 0, args, 1); err != nil {
		t.Fatal(err)
	}
	if err := m.Download(in, out); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(in[4*i:])); got != float32(3*i) {
			t.Fatalf("%d: %g", i, got)
		}
	}
	for _, bad := range []struct {
		blocks, threads, shared int
		want                    string
	}{{0, 128, 0, "grid of 0,1,1"}, {1, 1025, 0, "block of 1025 threads, of at most 1024"}, {1, 128, 1 << 20, "1048576 bytes of shared memory"}} {
		if err := launch(m, "scale", bad.blocks, bad.threads, bad.shared, args, 1); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%v, want %s", err, bad.want)
		}
	}
	if err := launch(m, "scale", 1, 1, 0, args.x, 1); err == nil || !strings.Contains(err.Error(), "its parameter has 24 bytes, not 8") {
		t.Error(err)
	}
	if err := launch(m, "misuse", 1, 256, 0, args, 1); err == nil || !strings.Contains(err.Error(), "of at most 128") {
		t.Error(err)
	}
}
