package gguf

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// decoder reads the header's fields in order. After the first failure, kept in err, reads return zeros.
type decoder struct {
	data []byte // the file, or its first maxHeader bytes
	off  int
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

// end says for errors where data ends.
func (d *decoder) end() string {
	if len(d.data) == maxHeader {
		return fmt.Sprintf("the largest header, %d bytes", maxHeader)
	}
	return fmt.Sprintf("the file's end at %d: is it whole?", len(d.data))
}

// fits reports whether n items of at least size bytes can follow.
func (d *decoder) fits(n, size uint64, field string) bool {
	if n > uint64(len(d.data)-d.off)/size {
		d.fail("%s: %d go beyond %s", field, n, d.end())
	}
	return d.err == nil
}

func (d *decoder) bytes(n uint64, field string) []byte {
	if n > uint64(len(d.data)-d.off) {
		d.fail("%s: %d bytes at offset %d go beyond %s", field, n, d.off, d.end())
	}
	if d.err != nil {
		return nil
	}
	b := d.data[d.off : d.off+int(n)]
	d.off += int(n)
	return b
}

func (d *decoder) uint32(field string) uint32 {
	if b := d.bytes(4, field); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) uint64(field string) uint64 {
	if b := d.bytes(8, field); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) string(field string) string {
	return string(d.bytes(d.uint64(field), field))
}

// Parse reads a file held in memory. The tensors' data are slices of data and aligned in memory as data is. Parse does
// not join: a part of a split file is read as it stands.
func Parse(data []byte) (*File, error) {
	d := &decoder{data: data[:min(len(data), maxHeader)]}
	tensors, entries := d.preamble()
	md := d.metadata(entries)
	infos, offsets := d.tensorInfos(tensors)
	if d.err != nil {
		return nil, d.err
	}
	align, err := md.alignment()
	if err != nil {
		return nil, err
	}
	f := &File{Version: version, Alignment: align, Metadata: md, size: int64(len(data))}
	start := alignUp(d.off, align)
	for i, info := range infos {
		bytes, err := slice(data, start, offsets[i], align, info)
		if err != nil {
			return nil, fmt.Errorf("tensor %d, name %.80q: %w", i, info.Name, err)
		}
		f.Tensors = append(f.Tensors, &Tensor{info.Name, info.Type, info.Dims, bytes})
	}
	if err := checkOverlap(f.Tensors, offsets); err != nil {
		return nil, err
	}
	if err := f.index(); err != nil {
		return nil, err
	}
	return f, nil
}

// preamble reads magic, version and counts.
func (d *decoder) preamble() (tensors, entries uint64) {
	if m := d.bytes(4, "magic"); d.err == nil && string(m) != magic {
		d.fail("magic: %q instead of %q, so this is no GGUF file", m, magic)
	}
	switch v := d.uint32("version"); {
	case d.err != nil:
	case v&0xffff == 0:
		d.fail("version: the file is big endian, only little endian is supported: convert it with gguf-convert-endian")
	case v != version:
		d.fail("version: %d, only %d is supported: convert the model anew", v, version)
	}
	return d.uint64("tensor count"), d.uint64("metadata count")
}

func (d *decoder) metadata(n uint64) Metadata {
	const minSize = 8 + 1 + 4 + 1 // key length, key, value type, value
	if !d.fits(n, minSize, "metadata count") {
		return nil
	}
	var md Metadata
	seen := map[string]bool{}
	for i := range n {
		key := d.string("key")
		if d.err == nil {
			d.err = checkKey(key)
		}
		if seen[key] {
			d.fail("key: occurs twice")
		}
		value := d.value()
		if d.err != nil {
			d.err = fmt.Errorf("metadata entry %d, key %.80q: %w", i, key, d.err)
			return nil
		}
		seen[key] = true
		md = append(md, KV{key, value})
	}
	return md
}

// tensorInfos reads the tensors' descriptions and their offsets from the start of the data.
func (d *decoder) tensorInfos(n uint64) (infos []TensorInfo, offsets []uint64) {
	const minSize = 8 + 1 + 4 + 8 + 4 + 8 // name length, name, dimension count, a dimension, type, offset
	if !d.fits(n, minSize, "tensor count") {
		return nil, nil
	}
	for i := range n {
		info, offset := d.tensorInfo()
		if d.err != nil {
			d.err = fmt.Errorf("tensor %d, name %.80q: %w", i, info.Name, d.err)
			return nil, nil
		}
		infos = append(infos, info)
		offsets = append(offsets, offset)
	}
	return infos, offsets
}

func (d *decoder) tensorInfo() (info TensorInfo, offset uint64) {
	info.Name = d.string("name")
	rank := d.uint32("dimension count")
	if d.err == nil && (rank < 1 || rank > maxDims) {
		d.fail("dimension count: %d, want 1 to %d", rank, maxDims)
	}
	for i := 0; i < int(rank) && d.err == nil; i++ {
		dim := d.uint64("dimension")
		if dim > math.MaxInt {
			d.fail("dimension %d: %d is too large", i, dim)
		}
		info.Dims = append(info.Dims, int(dim))
	}
	info.Type = Type(d.uint32("type"))
	offset = d.uint64("offset")
	return info, offset
}

// slice returns the data of a tensor at offset from start, where the file's tensor data starts.
func slice(file []byte, start int, offset uint64, align int, info TensorInfo) ([]byte, error) {
	size, err := info.check()
	if err != nil {
		return nil, err
	}
	if offset%uint64(align) != 0 {
		return nil, fmt.Errorf("offset: %d is not a multiple of the alignment, %d", offset, align)
	}
	room := len(file) - start
	if room < size || offset > uint64(room-size) {
		return nil, fmt.Errorf("offset: %d bytes at %d+%d go beyond the file's end at %d: is it whole?", size, start, offset, len(file))
	}
	from := start + int(offset)
	return file[from : from+size : from+size], nil
}

func checkOverlap(tensors []*Tensor, offsets []uint64) error {
	order := make([]int, len(tensors))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(offsets[i], offsets[j]) })
	for n := 1; n < len(order); n++ {
		i, j := order[n-1], order[n]
		if offsets[i]+uint64(len(tensors[i].Data)) > offsets[j] {
			return fmt.Errorf("tensor %d, name %q: offset: the data overlaps that of tensor %d, name %q",
				j, tensors[j].Name, i, tensors[i].Name)
		}
	}
	return nil
}
