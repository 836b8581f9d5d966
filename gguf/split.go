package gguf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The keys and the naming of split files are those of llama.cpp's gguf-split: part i of n, counted from 1, is
// name-0000i-of-0000n.gguf and holds split.no = i-1. The count of a merged file is 0.
const (
	splitNo      = "split.no"
	splitCount   = "split.count"
	splitTensors = "split.tensors.count" // of all parts
)

// join opens the other parts if f is the first part of a split file. What it opened is f's to close, also after an
// error.
func (f *File) join() error {
	no, count, err := f.Metadata.part()
	if err != nil {
		return err
	}
	if count > 1 {
		if err := f.openParts(no, count); err != nil {
			return err
		}
	}
	f.Metadata = slices.DeleteFunc(f.Metadata, func(kv KV) bool {
		return kv.Key == splitNo || kv.Key == splitCount || kv.Key == splitTensors
	})
	return nil
}

func (f *File) openParts(no, count uint64) error {
	suffix := func(i uint64) string { return fmt.Sprintf("-%05d-of-%05d.gguf", i+1, count) }
	base, named := strings.CutSuffix(f.Path, suffix(no))
	if !named {
		return fmt.Errorf("part %d of %d of a split file: its name must end in %q", no+1, count, suffix(no))
	}
	if no != 0 {
		return fmt.Errorf("part %d of %d of a split file: open the first part, %q", no+1, count, base+suffix(0))
	}
	for i := uint64(1); i < count; i++ {
		path := base + suffix(i)
		part, err := open(path)
		if err != nil {
			return fmt.Errorf("part %d of %d: %w", i+1, count, err)
		}
		f.mappings = append(f.mappings, part.mappings...)
		f.Tensors = append(f.Tensors, part.Tensors...)
		f.size += part.size
		n, c, err := part.Metadata.part()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if n != i || c != count {
			return fmt.Errorf("%s: %q is %d and %q is %d, want %d and %d", path, splitNo, n, splitCount, c, i, count)
		}
	}
	total, err := f.Metadata.Uint(splitTensors)
	if err != nil {
		return err
	}
	if total != uint64(len(f.Tensors)) {
		return fmt.Errorf("metadata key %q is %d, but the %d parts hold %d tensors", splitTensors, total, count, len(f.Tensors))
	}
	return f.index()
}

// part returns the part's number, counted from 0, and the number of parts: at most 1 if the file is not split.
func (m Metadata) part() (no, count uint64, err error) {
	count, err = m.Uint(splitCount)
	if errors.Is(err, ErrMissing) {
		return 0, 0, nil
	}
	if err != nil || count <= 1 {
		return 0, count, err
	}
	no, err = m.Uint(splitNo)
	if err == nil && no >= count {
		err = fmt.Errorf("metadata key %q is %d, but %q is %d", splitNo, no, splitCount, count)
	}
	return no, count, err
}
