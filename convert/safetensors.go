package convert

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"orthrus/gguf"
)

// maxHeader bounds a safetensors header. Qwen3-32B in one file would have
// 0.1 MB; the format's own limit is 100 MB.
const maxHeader = 16 << 20

// stored is a tensor of a checkpoint.
type stored struct {
	name   string
	dtype  gguf.Type
	shape  []int // as in PyTorch: rows first
	offset int64 // in the file
	size   int64 // bytes
	file   *os.File
}

// dtypes are the number formats of safetensors that weights come in.
var dtypes = map[string]gguf.Type{"F32": gguf.F32, "F16": gguf.F16, "BF16": gguf.BF16}

// readSafetensors lists the tensors of a file of the given size, in the order
// of their data. The format (https://github.com/huggingface/safetensors): the
// header's length in 8 bytes, little-endian; the header, a JSON object; the
// data, which the tensors fill without gaps or overlaps.
func readSafetensors(file *os.File, size int64) ([]stored, error) {
	var prefix [8]byte
	if _, err := file.ReadAt(prefix[:], 0); err != nil {
		return nil, errors.New("too short for a safetensors file")
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > maxHeader || int64(n) > size-8 {
		return nil, fmt.Errorf("header length %d: the file has %d bytes and a header at most %d", n, size, maxHeader)
	}
	header := make([]byte, n)
	if _, err := file.ReadAt(header, 8); err != nil {
		return nil, err
	}
	list, err := parseHeader(header, size-8-int64(n))
	for i := range list {
		list[i].offset += 8 + int64(n)
		list[i].file = file
	}
	return list, err
}

// parseHeader reads a header whose data has dataSize bytes. Offsets are from
// the start of the data.
func parseHeader(header []byte, dataSize int64) ([]stored, error) {
	dec := json.NewDecoder(bytes.NewReader(header))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("header: not a JSON object")
	}
	var list []stored
	seen := make(map[string]bool)
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("header: %w", describeJSON(err))
		}
		name := key.(string) // the decoder allows no other keys
		if seen[name] {
			return nil, fmt.Errorf("header: tensor %.80q occurs twice", name)
		}
		seen[name] = true
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("header: %w", describeJSON(err))
		}
		if name == "__metadata__" {
			continue
		}
		t, err := parseEntry(raw)
		if err != nil {
			return nil, fmt.Errorf("tensor %.80q: %w", name, err)
		}
		t.name = name
		list = append(list, t)
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("header: %w", describeJSON(err))
	}
	if rest := header[dec.InputOffset():]; len(bytes.TrimRight(rest, " ")) != 0 { // spaces align the data
		return nil, errors.New("header: something follows the JSON object")
	}
	return list, checkLayout(list, dataSize)
}

// parseEntry reads a tensor's description and checks it by itself.
func parseEntry(raw []byte) (t stored, err error) {
	var e struct {
		Dtype   string  `json:"dtype"`
		Shape   []int64 `json:"shape"`
		Offsets []int64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return t, describeJSON(err)
	}
	dtype, ok := dtypes[e.Dtype]
	if !ok {
		return t, fmt.Errorf("dtype %.20q is not supported: only F32, F16 and BF16 are", e.Dtype)
	}
	if e.Shape == nil || len(e.Offsets) != 2 {
		return t, errors.New("shape or data_offsets is missing or malformed")
	}
	_, width := dtype.Block()
	elems := int64(1)
	for _, d := range e.Shape {
		if d < 1 || elems > math.MaxInt64/8/d {
			return t, fmt.Errorf("shape %v is empty, negative or too large", e.Shape)
		}
		elems *= d
		t.shape = append(t.shape, int(d))
	}
	t.dtype, t.offset, t.size = dtype, e.Offsets[0], elems*int64(width)
	if t.offset < 0 || e.Offsets[1] < t.offset || e.Offsets[1]-t.offset != t.size {
		return t, fmt.Errorf("data_offsets %v do not hold %d bytes of %s %v", e.Offsets, t.size, e.Dtype, e.Shape)
	}
	return t, nil
}

// checkLayout sorts tensors by offset and checks that they fill the data.
func checkLayout(list []stored, dataSize int64) error {
	slices.SortFunc(list, func(a, b stored) int { return cmp.Compare(a.offset, b.offset) })
	end := int64(0)
	for _, t := range list {
		if t.offset != end {
			return fmt.Errorf("tensor %.80q: starts at %d, where the data before it ends at %d", t.name, t.offset, end)
		}
		if t.size > dataSize-end {
			return fmt.Errorf("tensor %.80q: ends at %d, beyond the file's data of %d bytes", t.name, t.offset+t.size, dataSize)
		}
		end += t.size
	}
	if end != dataSize {
		return fmt.Errorf("%d bytes of data belong to no tensor", dataSize-end)
	}
	return nil
}

// source is the tensor as a matrix of GGUF.
func (t *stored) source() source {
	dims := slices.Clone(t.shape)
	slices.Reverse(dims)
	return source{dims: dims, from: t.dtype, data: io.NewSectionReader(t.file, t.offset, t.size)}
}
