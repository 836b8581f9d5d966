package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// extent is where a tensor's data lies in the file.
type extent struct {
	name      string
	off, size int64
}

// layout encodes the header and places the tensors. As in ggml's writer, each tensor's data, the last too, is padded to
// the alignment.
func layout(md Metadata, tensors []TensorInfo) (header []byte, extents []extent, size int64, err error) {
	align, err := md.alignment()
	if err != nil {
		return nil, nil, 0, err
	}
	le := binary.LittleEndian
	header = le.AppendUint32([]byte(magic), version)
	header = le.AppendUint64(header, uint64(len(tensors)))
	header = le.AppendUint64(header, uint64(len(md)))
	if header, err = appendMetadata(header, md); err != nil {
		return nil, nil, 0, err
	}
	seen := make(map[string]bool, len(tensors))
	for i, t := range tensors {
		bytes, err := t.check()
		switch {
		case err != nil:
		case seen[t.Name]:
			err = errors.New("name: occurs twice")
		case int64(bytes) > math.MaxInt64/2-size:
			err = errors.New("dimensions: the file grows too large")
		}
		if err != nil {
			return nil, nil, 0, fmt.Errorf("tensor %d, name %.80q: %w", i, t.Name, err)
		}
		seen[t.Name] = true
		header = appendTensorInfo(header, t, size)
		extents = append(extents, extent{t.Name, size, int64(bytes)})
		size = alignUp(size+int64(bytes), int64(align))
	}
	if len(header) > maxHeader {
		return nil, nil, 0, fmt.Errorf("the header takes %d bytes, want at most %d", len(header), maxHeader)
	}
	start := alignUp(int64(len(header)), int64(align))
	for i := range extents {
		extents[i].off += start
	}
	return header, extents, start + size, nil
}

func appendTensorInfo(b []byte, t TensorInfo, off int64) []byte {
	le := binary.LittleEndian
	b = appendString(b, t.Name)
	b = le.AppendUint32(b, uint32(len(t.Dims)))
	for _, d := range t.Dims {
		b = le.AppendUint64(b, uint64(d))
	}
	b = le.AppendUint32(b, uint32(t.Type))
	return le.AppendUint64(b, uint64(off))
}

func appendMetadata(b []byte, md Metadata) ([]byte, error) {
	seen := make(map[string]bool, len(md))
	for i, kv := range md {
		err := checkKey(kv.Key)
		if err == nil && seen[kv.Key] {
			err = errors.New("key: occurs twice")
		}
		if err == nil {
			b, err = appendValue(appendString(b, kv.Key), kv.Value)
		}
		if err != nil {
			return nil, fmt.Errorf("metadata entry %d, key %.80q: %w", i, kv.Key, err)
		}
		seen[kv.Key] = true
	}
	return b, nil
}
