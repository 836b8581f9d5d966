package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// encode writes the fields of a file one after the other: strings with their length, []byte as it is.
func encode(fields ...any) []byte {
	var b []byte
	for _, f := range fields {
		switch f := f.(type) {
		case string:
			b = binary.LittleEndian.AppendUint64(b, uint64(len(f)))
			b = append(b, f...)
		default:
			b, _ = binary.Append(b, binary.LittleEndian, f)
		}
	}
	return b
}

// small holds the fields of a valid file. The tests replace them by index.
var small = []any{
	0: []byte("GGUF"), 1: uint32(3), 2: uint64(2), 3: uint64(5),
	4: "general.alignment", 5: uint32(4), 6: uint32(16),
	7: "s", 8: uint32(8), 9: "text",
	10: "b", 11: uint32(7), 12: uint8(1),
	13: "i", 14: uint32(9), 15: uint32(5), 16: uint64(2), 17: []int32{-1, 7},
	18: "ss", 19: uint32(9), 20: uint32(8), 21: uint64(2), 22: "x", 23: "yz",
	24: "one", 25: uint32(1), 26: uint64(3), 27: uint32(F32), 28: uint64(0),
	29: "two", 30: uint32(2), 31: uint64(32), 32: uint64(2), 33: uint32(Q4_0), 34: uint64(16),
	35: make([]byte, 4), // to 256
	36: []byte("012345678901"), 37: make([]byte, 4), 38: []byte(strings.Repeat("0123456789ABCDEFGH", 2)),
}

func with(field int, value any) []byte {
	fields := slices.Clone(small)
	fields[field] = value
	return encode(fields...)
}

func TestParse(t *testing.T) {
	f, err := Parse(encode(small...))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Version != 3 || f.Alignment != 16 || f.Size() != 308 {
		t.Errorf("version %d, alignment %d, size %d", f.Version, f.Alignment, f.Size())
	}
	want := Metadata{
		{"general.alignment", uint32(16)}, {"s", "text"}, {"b", true}, {"i", []int32{-1, 7}}, {"ss", []string{"x", "yz"}},
	}
	if !reflect.DeepEqual(f.Metadata, want) {
		t.Errorf("metadata %v, want %v", f.Metadata, want)
	}
	tensors := []*Tensor{
		{"one", F32, []int{3}, []byte("012345678901")},
		{"two", Q4_0, []int{32, 2}, []byte("0123456789ABCDEFGH0123456789ABCDEFGH")},
	}
	if !reflect.DeepEqual(f.Tensors, tensors) {
		t.Errorf("tensors %v, want %v", f.Tensors, tensors)
	}
	two := f.Tensor("two")
	if two != f.Tensors[1] || two.Elems() != 64 || two.Rows() != 2 || two.Bytes() != 36 || cap(two.Data) != 36 {
		t.Errorf("tensor two: %v", two)
	}
	if f.Tensor("three") != nil {
		t.Error("a tensor that is not there")
	}
}

func TestDamage(t *testing.T) {
	long := strings.Repeat("n", 64)
	for _, c := range []struct {
		field int
		value any
		want  string
	}{
		{0, []byte("GGML"), `magic: "GGML" instead of "GGUF", so this is no GGUF file`},
		{1, uint32(2), "version: 2, only 3 is supported: convert the model anew"},
		{1, uint32(4), "version: 4, only 3 is supported: convert the model anew"},
		{1, []byte{0, 0, 0, 3}, "version: the file is big endian, only little endian is supported: convert it with gguf-convert-endian"},
		{2, uint64(1 << 60), "tensor count: 1152921504606846976 go beyond the file's end at 308"},
		{2, uint64(3), `tensor 2, name ""`},
		{3, uint64(1 << 60), "metadata count: 1152921504606846976 go beyond the file's end at 308"},
		{4, "", `metadata entry 0, key "": key: 0 bytes, want 1 to 65535`},
		{4, strings.Repeat("k", 1<<16), `key: 65536 bytes, want 1 to 65535`},
		{5, uint32(5), `metadata key "general.alignment" is of type int32, want uint32`},
		{6, uint32(0), `metadata key "general.alignment" is 0, want a power of two from 8 to 1048576`},
		{6, uint32(48), `"general.alignment" is 48`},
		{6, uint32(4), `"general.alignment" is 4`},
		{6, uint32(1 << 31), `"general.alignment" is 2147483648`},
		{6, uint32(32), `tensor 1, name "two": offset: 16 is not a multiple of the alignment, 32`},
		{7, "general.alignment", `metadata entry 1, key "general.alignment": key: occurs twice`},
		{8, uint32(13), `metadata entry 1, key "s": unknown value type 13`},
		{9, uint64(1 << 60), `metadata entry 1, key "s": string: 1152921504606846976 bytes at offset`},
		{12, uint8(2), `metadata entry 2, key "b": byte 2 is no bool`},
		{15, uint32(9), `metadata entry 3, key "i": nested arrays are not supported`},
		{15, uint32(math.MaxUint32), `metadata entry 3, key "i": unknown value type 4294967295`},
		{16, uint64(1 << 60), `metadata entry 3, key "i": values: 1152921504606846976 go beyond the file's end at 308`},
		{21, uint64(1 << 60), `metadata entry 4, key "ss": strings: 1152921504606846976 go beyond the file's end at 308`},
		{21, uint64(5), `metadata entry 4, key "ss": string`},
		{24, "", `tensor 0, name "": name: 0 bytes, want 1 to 63`},
		{24, long, fmt.Sprintf(`tensor 0, name %q: name: 64 bytes, want 1 to 63`, long)},
		{24, "two", `tensor 1, name "two": name: occurs twice`},
		{25, uint32(0), `tensor 0, name "one": dimension count: 0, want 1 to 4`},
		{25, uint32(5), `tensor 0, name "one": dimension count: 5, want 1 to 4`},
		{26, uint64(0), `tensor 0, name "one": a row of 0 elements is not a positive multiple of f32's block of 1`},
		{26, uint64(1 << 63), `tensor 0, name "one": dimension 0: 9223372036854775808 is too large`},
		{26, uint64(1 << 62), `tensor 0, name "one": a row of 4611686018427387904 elements is too large`},
		{26, uint64(1 << 60), `tensor 0, name "one": offset: 4611686018427387904 bytes at 256+0 go beyond the file's end at 308`},
		{26, uint64(5), `tensor 1, name "two": offset: the data overlaps that of tensor 0, name "one"`},
		{27, uint32(4), `tensor 0, name "one": unknown tensor type 4`},
		{27, uint32(Q4_K), `tensor 0, name "one": a row of 3 elements is not a positive multiple of q4_k's block of 256`},
		{28, uint64(16), `the data overlaps that of tensor`},
		{28, uint64(8), `tensor 0, name "one": offset: 8 is not a multiple of the alignment, 16`},
		{28, uint64(1 << 60), `tensor 0, name "one": offset: 12 bytes at 256+1152921504606846976 go beyond the file's end at 308`},
		{32, uint64(0), `tensor 1, name "two": dimensions: [32 0], want positive ones`},
		{32, uint64(1 << 60), `tensor 1, name "two": dimensions: [32 1152921504606846976] are too large`},
		{34, uint64(0), `overlaps`},
		{34, uint64(32), `tensor 1, name "two": offset: 36 bytes at 256+32 go beyond the file's end at 308`},
		{34, uint64(math.MaxUint64 - 15), `go beyond the file's end`},
	} {
		_, err := Parse(with(c.field, c.value))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("field %d = %.20v: error %v, want %s", c.field, c.value, err, c.want)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("field %d = %.20v: the error has several lines: %v", c.field, c.value, err)
		}
	}
}

// TestTruncated cuts the file at every byte.
func TestTruncated(t *testing.T) {
	whole := encode(small...)
	for n := range whole {
		if _, err := Parse(whole[:n:n]); err == nil {
			t.Errorf("no error for %d of %d bytes", n, len(whole))
		}
	}
}

// TestExtremes writes extreme numbers at every byte of the header. Some leave a valid file.
func TestExtremes(t *testing.T) {
	whole := encode(small...)
	for off := range 256 {
		for size := 1; size <= 8; size *= 2 {
			for _, n := range []uint64{0, 1, 1<<31 - 1, 1 << 31, 1 << 60, 1<<63 - 1, 1 << 63, math.MaxUint64 - 15, math.MaxUint64} {
				data := slices.Clone(whole)
				copy(data[off:off+size], binary.LittleEndian.AppendUint64(nil, n))
				if f, err := Parse(data); err == nil {
					check(t, f)
				}
			}
		}
	}
}

// TestAllocation checks that numbers in the file cannot make the reader allocate what the file does not hold.
func TestAllocation(t *testing.T) {
	for _, field := range []int{2, 3, 9, 16, 21, 26, 32} {
		data := with(field, uint64(1<<60))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse(data)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 64<<10 || err == nil {
			t.Errorf("field %d: %d bytes allocated, error %v", field, got, err)
		}
	}
}

// check checks what a file promises, and that its header survives writing and reading.
func check(t *testing.T, f *File) {
	t.Helper()
	var infos []TensorInfo
	for _, tensor := range f.Tensors {
		info := TensorInfo{tensor.Name, tensor.Type, tensor.Dims}
		infos = append(infos, info)
		size, err := info.Bytes()
		if err != nil || len(tensor.Data) != size || cap(tensor.Data) != size || tensor.Elems() <= 0 || tensor.Rows() <= 0 {
			t.Fatalf("tensor %q of %v: %d bytes, want %d, %v", tensor.Name, tensor.Dims, len(tensor.Data), size, err)
		}
		if f.Tensor(tensor.Name) != tensor {
			t.Fatalf("tensor %q is not found", tensor.Name)
		}
	}
	header, _, size, err := layout(f.Metadata, infos)
	if err != nil {
		t.Fatal(err)
	}
	if size > 1<<22 {
		return // a large alignment
	}
	again, err := Parse(append(header, make([]byte, size-int64(len(header)))...))
	if err != nil {
		t.Fatal(err)
	}
	if header2, _, _, err := layout(again.Metadata, infos); err != nil || string(header2) != string(header) {
		t.Fatalf("metadata %v, want %v (%v)", again.Metadata, f.Metadata, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(encode(small...))
	f.Add(with(6, uint32(8)))
	f.Add(with(16, uint64(1<<60)))
	header, _, _, err := layout(everyValue, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(header)
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 1000 {
				t.Fatalf("error %q", err)
			}
			return
		}
		check(t, file)
	})
}
