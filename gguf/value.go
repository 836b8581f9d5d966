package gguf

import (
	"encoding/binary"
	"fmt"
	"reflect"
)

// arrayKind is the value type id of arrays; kinds is indexed by the other ids.
const arrayKind = 9

// kinds gives, for each value type of the format, its Go type and the decoder of n values in a row: a slice, or the
// value itself if it is not an array.
var kinds = [...]struct {
	elem   reflect.Type
	decode func(d *decoder, n uint64, array bool) any
}{
	0:  {reflect.TypeFor[uint8](), decodeNumbers[uint8]},
	1:  {reflect.TypeFor[int8](), decodeNumbers[int8]},
	2:  {reflect.TypeFor[uint16](), decodeNumbers[uint16]},
	3:  {reflect.TypeFor[int16](), decodeNumbers[int16]},
	4:  {reflect.TypeFor[uint32](), decodeNumbers[uint32]},
	5:  {reflect.TypeFor[int32](), decodeNumbers[int32]},
	6:  {reflect.TypeFor[float32](), decodeNumbers[float32]},
	7:  {reflect.TypeFor[bool](), decodeBools},
	8:  {reflect.TypeFor[string](), decodeStrings},
	10: {reflect.TypeFor[uint64](), decodeNumbers[uint64]},
	11: {reflect.TypeFor[int64](), decodeNumbers[int64]},
	12: {reflect.TypeFor[float64](), decodeNumbers[float64]},
}

// value decodes the type and the value of a metadata entry.
func (d *decoder) value() any {
	kind, n, array := d.uint32("value type"), uint64(1), false
	if kind == arrayKind {
		array = true
		kind = d.uint32("array element type")
		n = d.uint64("array length")
	}
	switch {
	case kind == arrayKind:
		d.fail("nested arrays are not supported")
	case kind >= uint32(len(kinds)) || kinds[kind].decode == nil:
		d.fail("unknown value type %d", kind)
	case d.err == nil:
		return kinds[kind].decode(d, n, array)
	}
	return nil
}

func decodeNumbers[T any](d *decoder, n uint64, array bool) any {
	size := uint64(reflect.TypeFor[T]().Size())
	if !d.fits(n, size, "values") {
		return nil
	}
	v := make([]T, n)
	// Decode cannot fail: T has a fixed size, and the bytes are exactly n of it.
	binary.Decode(d.bytes(n*size, "value"), binary.LittleEndian, v)
	return unwrap(v, array)
}

func decodeBools(d *decoder, n uint64, array bool) any {
	raw := d.bytes(n, "value")
	v := make([]bool, len(raw))
	for i, b := range raw {
		if b > 1 {
			d.fail("byte %d is no bool", b)
		}
		v[i] = b == 1
	}
	return unwrap(v, array)
}

func decodeStrings(d *decoder, n uint64, array bool) any {
	const lengthSize = 8
	if !d.fits(n, lengthSize, "strings") {
		return nil
	}
	start := d.off
	for i := uint64(0); i < n && d.err == nil; i++ {
		d.bytes(d.uint64("string length"), "string")
	}
	if d.err != nil {
		return nil
	}
	// The strings share one copy of all: a vocabulary holds hundreds of thousands.
	all := d.data[start:d.off]
	text := string(all)
	v := make([]string, n)
	for i := range v {
		end := lengthSize + binary.LittleEndian.Uint64(all)
		v[i] = text[lengthSize:end]
		all, text = all[end:], text[end:]
	}
	return unwrap(v, array)
}

// unwrap returns v, or its only element where the file does not have an array.
func unwrap[T any](v []T, array bool) any {
	if array || len(v) != 1 {
		return v
	}
	return v[0]
}

// appendValue appends the type and the value of a metadata entry.
func appendValue(b []byte, value any) ([]byte, error) {
	elem := reflect.TypeOf(value)
	array := elem != nil && elem.Kind() == reflect.Slice
	if array {
		elem = elem.Elem()
	}
	kind := -1
	for id, k := range kinds {
		if k.elem != nil && k.elem == elem {
			kind = id
		}
	}
	if kind < 0 {
		return nil, fmt.Errorf("GGUF has no type for a Go %T", value)
	}
	le := binary.LittleEndian
	if array {
		b = le.AppendUint32(b, arrayKind)
		b = le.AppendUint32(b, uint32(kind))
		b = le.AppendUint64(b, uint64(reflect.ValueOf(value).Len()))
	} else {
		b = le.AppendUint32(b, uint32(kind))
	}
	switch v := value.(type) {
	case string:
		return appendString(b, v), nil
	case []string:
		for _, s := range v {
			b = appendString(b, s)
		}
		return b, nil
	}
	return binary.Append(b, le, value)
}

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}
