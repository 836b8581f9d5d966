package convert

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHeaderRefused(t *testing.T) {
	entry := func(dtype, shape, offsets string) string {
		return fmt.Sprintf(`{"w": {"dtype": %s, "shape": %s, "data_offsets": %s}}`, dtype, shape, offsets)
	}
	for _, c := range []struct {
		header string
		size   int64
		want   string
	}{
		{``, 0, "not a JSON object"},
		{`[]`, 0, "not a JSON object"},
		{`{"w"`, 0, "header: "},
		{`{"w": {}`, 0, `tensor "w"`},
		{`{} {}`, 0, "something follows"},
		{`{}`, 8, "8 bytes of data belong to no tensor"},
		{`{"w": 5}`, 8, `tensor "w": unexpected JSON number`},
		{`{"w": null}`, 8, `dtype "" is not supported`},
		{entry(`"F64"`, `[1]`, `[0, 8]`), 8, `dtype "F64" is not supported`},
		{entry(`5`, `[1]`, `[0, 8]`), 8, "dtype: unexpected JSON number"},
		{entry(`"F32"`, `null`, `[0, 4]`), 4, "shape or data_offsets is missing"},
		{entry(`"F32"`, `[1]`, `null`), 4, "shape or data_offsets is missing"},
		{entry(`"F32"`, `[1]`, `[0, 4, 4]`), 4, "shape or data_offsets is missing"},
		{entry(`"F32"`, `[1.5]`, `[0, 4]`), 4, "shape: unexpected JSON number"},
		{entry(`"F32"`, `[-1, -1]`, `[0, 4]`), 4, "negative"},
		{entry(`"F32"`, `[0]`, `[0, 0]`), 0, "empty"},
		{entry(`"F32"`, `[4294967296, 4294967296, 4]`, `[0, 0]`), 0, "too large"},
		{entry(`"F32"`, `[9223372036854775807]`, `[0, 8]`), 8, "too large"},
		{entry(`"F32"`, `[2]`, `[0, 4]`), 4, "do not hold 8 bytes of F32 [2]"},
		{entry(`"BF16"`, `[2]`, `[0, 8]`), 8, "do not hold 4 bytes"},
		{entry(`"F32"`, `[1]`, `[-4, 0]`), 4, "do not hold"},
		{entry(`"F32"`, `[1]`, `[4, 0]`), 4, "do not hold"},
		{entry(`"F32"`, `[1]`, `[-9223372036854775808, 9223372036854775807]`), 4, "do not hold"},
		{entry(`"F32"`, `[1]`, `[4, 8]`), 8, "starts at 4, where the data before it ends at 0"},
		{entry(`"F32"`, `[2]`, `[0, 8]`), 4, "ends at 8, beyond the file's data of 4 bytes"},
		{entry(`"F32"`, `[1]`, `[0, 4]`), 8, "4 bytes of data belong to no tensor"},
		{`{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "b": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}`, 12, `tensor "b": starts at 4, where the data before it ends at 8`},
		{`{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}`, 8, `tensor "a" occurs twice`},
		{`{"w": ` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, 8, "header: "},
	} {
		list, err := parseHeader([]byte(c.header), c.size)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.100s with %d bytes: %v, error %v, want one with %q", c.header, c.size, list, err, c.want)
		}
	}
}

func TestHeader(t *testing.T) {
	const header = `{"b": {"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]}, "__metadata__": {"format": "pt"},
		"a": {"dtype":"F32","shape":[],"data_offsets":[0,4]}}   `
	list, err := parseHeader([]byte(header), 16)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(list), "[{a 0 [] 0 4 <nil>} {b 30 [2 3] 4 12 <nil>}]"; got != want {
		t.Errorf("tensors %s, want %s", got, want)
	}
}

// TestPrefixRefused checks the length before the header.
func TestPrefixRefused(t *testing.T) {
	for _, data := range [][]byte{
		nil,
		{2, 0, 0, 0, 0, 0, 0},
		append(binary.LittleEndian.AppendUint64(nil, 3), "{}"...),
		append(binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "{}"...),
		append(binary.LittleEndian.AppendUint64(nil, math.MaxInt64), "{}"...),
	} {
		path := filepath.Join(t.TempDir(), "x")
		writeFile(t, path, data)
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readSafetensors(file, int64(len(data))); err == nil {
			t.Errorf("% x: no error", data)
		}
		file.Close()
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`), int64(4))
	f.Add([]byte(`{"__metadata__":{"format":"pt"},"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},"v":{"dtype":"F16","shape":[],"data_offsets":[12,14]}}  `), int64(14))
	f.Fuzz(func(t *testing.T, header []byte, size int64) {
		if size < 0 {
			return
		}
		list, err := parseHeader(header, size)
		if err != nil {
			return
		}
		end := int64(0)
		seen := make(map[string]bool)
		for _, e := range list {
			elems := int64(1)
			for _, d := range e.shape {
				elems *= int64(d)
			}
			_, width := e.dtype.Block()
			if e.offset != end || elems < 1 || e.size != elems*int64(width) || seen[e.name] {
				t.Fatalf("accepted %+v after %d bytes", e, end)
			}
			end += e.size
			seen[e.name] = true
		}
		if end != size {
			t.Fatalf("accepted %d bytes of tensors in %d of data", end, size)
		}
		if bytes.Count(header, []byte("{")) == 0 {
			t.Fatal("accepted a header without an object")
		}
	})
}
