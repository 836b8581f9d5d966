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
	data []byte // the whole file
	off  int
	err  error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
	}
}

// fits reports whether n items of size bytes can follow. It must precede allocations for them.
func (d *decoder) fits(n, size uint64) bool {
	if left := len(d.data) - d.off; n > uint64(left)/size {
		d.fail("%d items of at least %d bytes do not fit into the %d bytes that follow", n, size, left)
	}
	return d.err == nil
}

func (d *decoder) bytes(n uint64, field string) []byte {
	if left := len(d.data) - d.off; n > uint64(left) {
		d.fail("%s: %d bytes at offset %d go beyond the file's end at %d", field, n, d.off, len(d.data))
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

// Parse reads a file held in memory. Tensors are slices of data, which must not change while they are in use.
// A part of a split file is parsed as it stands.
func Parse(data []byte) (*File, error) {
	d := &decoder{data: data}
	tensors, entries := d.preamble()
	f := &File{Version: version, size: int64(len(data))}
	f.Metadata = d.metadata(entries)
	if d.err != nil {
		return nil, d.err
	}
	var err error
	if f.Alignment, err = f.Metadata.alignment(); err != nil {
		return nil, err
	}
	f.Tensors = d.tensors(tensors, f.Alignment)
	if d.err != nil {
		return nil, d.err
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
		d.fail("version: the file is big endian, only little endian is supported: convert it with gguf-py's gguf_convert_endian.py")
	case v != version:
		d.fail("version: %d, only %d is supported: convert the model anew", v, version)
	}
	return d.uint64("tensor count"), d.uint64("metadata count")
}

func (d *decoder) metadata(n uint64) Metadata {
	const minSize = 8 + 1 + 4 + 1 // key length, key, type, value
	if d.err != nil {
		return nil
	}
	if !d.fits(n, minSize) {
		d.err = fmt.Errorf("metadata count: %w", d.err)
		return nil
	}
	md := make(Metadata, 0, n)
	seen := make(map[string]bool, n)
	for i := range n {
		key := d.string("key")
		if d.err == nil {
			d.err = checkKey(key)
		}
		if seen[key] {
			d.fail("occurs twice")
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

// tensors reads the tensors' descriptions and finds their data.
func (d *decoder) tensors(n uint64, align int) []*Tensor {
	const minSize = 8 + 1 + 4 + 8 + 4 + 8 // name length, name, dimension count, a dimension, type, offset
	if !d.fits(n, minSize) {
		d.err = fmt.Errorf("tensor count: %w", d.err)
		return nil
	}
	infos := make([]TensorInfo, n)
	offsets := make([]uint64, n)
	for i := range infos {
		infos[i], offsets[i] = d.tensor()
		if d.err != nil {
			d.err = fmt.Errorf("tensor %d, name %.80q: %w", i, infos[i].Name, d.err)
			return nil
		}
	}
	start := alignUp(d.off, align)
	tensors := make([]*Tensor, n)
	for i, info := range infos {
		data, err := slice(d.data, start, offsets[i], align, info)
		if err != nil {
			d.err = fmt.Errorf("tensor %d, name %q: %w", i, info.Name, err)
			return nil
		}
		tensors[i] = &Tensor{Name: info.Name, Type: info.Type, Dims: info.Dims, Data: data}
	}
	d.checkOverlap(tensors, offsets)
	return tensors
}

func (d *decoder) tensor() (info TensorInfo, offset uint64) {
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
		return nil, fmt.Errorf("offset: %d bytes at %d+%d go beyond the file's end at %d", size, start, offset, len(file))
	}
	from := start + int(offset)
	return file[from : from+size : from+size], nil
}

func (d *decoder) checkOverlap(tensors []*Tensor, offsets []uint64) {
	order := make([]int, len(tensors))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(offsets[i], offsets[j]) })
	for n := 1; n < len(order); n++ {
		i, j := order[n-1], order[n]
		if offsets[i]+uint64(len(tensors[i].Data)) > offsets[j] {
			d.fail("tensors %d, name %q, and %d, name %q: their data overlap", i, tensors[i].Name, j, tensors[j].Name)
		}
	}
}
