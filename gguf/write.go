package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"sync"
)

// Writer writes a file whose header is known up front. The data goes to a temporary file beside the path, which takes
// the path's place when it is whole: others see the old file or the new one, never a part.
type Writer struct {
	path    string
	file    *os.File // nil after Close and Abort
	size    int64
	tensors []extent

	mu      sync.Mutex
	written []ranges // of each tensor
}

// Create writes the header to a temporary file beside path and reserves the tensors' data in the order given. The
// alignment is 32, or md's general.alignment. It is an error if path exists and is not a regular file.
func Create(path string, md Metadata, tensors []TensorInfo) (*Writer, error) {
	header, extents, size, err := layout(md, tensors)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: exists and is not a regular file", path)
	}
	file, err := createTemp(path)
	if err != nil {
		return nil, cannotWrite(path, err)
	}
	w := &Writer{path: path, file: file, size: size, tensors: extents, written: make([]ranges, len(tensors))}
	// What is not written of the extended file reads as zeros: the padding.
	if err = file.Truncate(size); err == nil {
		_, err = file.WriteAt(header, 0)
	}
	if err != nil {
		w.Abort()
		return nil, cannotWrite(path, err)
	}
	return w, nil
}

// cannotWrite names the file that the caller knows in an error about the temporary one.
func cannotWrite(path string, err error) error {
	var file *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &file):
		err = file.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return fmt.Errorf("cannot write %s: %w", path, err)
}

// createTemp is os.CreateTemp with the permissions of an ordinary new file.
func createTemp(path string) (*os.File, error) {
	for {
		name := fmt.Sprintf("%s.%08x.tmp", path, rand.Uint32())
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// WriteAt writes p at offset off of the data of a tensor, given by its index. It is an error if p reaches outside the
// tensor. Calls may run concurrently if they write different bytes.
func (w *Writer) WriteAt(tensor int, p []byte, off int64) error {
	t := w.tensors[tensor]
	if off < 0 || int64(len(p)) > t.size-off {
		return fmt.Errorf("%s: tensor %q: writing %d bytes at %d of %d", w.path, t.name, len(p), off, t.size)
	}
	if _, err := w.file.WriteAt(p, t.off+off); err != nil {
		return cannotWrite(w.path, err)
	}
	w.mu.Lock()
	w.written[tensor].add(off, off+int64(len(p)))
	w.mu.Unlock()
	return nil
}

// Size returns the bytes of the finished file.
func (w *Writer) Size() int64 { return w.size }

// Close puts the finished file in the place of path. If not every byte of every tensor has been written, or the file
// cannot be finished, it removes the temporary file and returns an error.
func (w *Writer) Close() error {
	if w.file == nil {
		return os.ErrClosed
	}
	defer w.Abort()
	for i, t := range w.tensors {
		if !w.written[i].covers(t.size) {
			return fmt.Errorf("%s: tensor %q was not written whole", w.path, t.name)
		}
	}
	if err := w.file.Sync(); err != nil {
		return cannotWrite(w.path, err)
	}
	if err := w.file.Close(); err != nil { // Windows renames closed files only
		return cannotWrite(w.path, err)
	}
	if err := os.Rename(w.file.Name(), w.path); err != nil {
		return cannotWrite(w.path, err)
	}
	w.file = nil
	return nil
}

// Abort removes the temporary file. After Close it does nothing.
func (w *Writer) Abort() {
	if w.file == nil {
		return
	}
	w.file.Close()
	os.Remove(w.file.Name())
	w.file = nil
}
