package convert

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Most bytes that are read of a checkpoint's text files. Qwen3's tokenizer.json,
// the largest of them, has 11 MB.
const (
	maxConfig    = 1 << 20
	maxTemplate  = 1 << 20
	maxIndex     = 16 << 20
	maxTokenizer = 32 << 20
)

// folder opens the files of one checkpoint and remembers them, so that the
// output never replaces one of them.
type folder struct {
	dir  string
	seen []os.FileInfo
}

// open opens a file of the folder. The file may be a link, as in the Hugging
// Face cache; the name may not lead out of the folder.
func (f *folder) open(name string) (*os.File, int64, error) {
	if !plainName(name) {
		return nil, 0, fmt.Errorf("%s: %q is not a plain file name", f.dir, name)
	}
	path := filepath.Join(f.dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() { // a named pipe would block
		return nil, 0, fmt.Errorf("%s: not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	f.seen = append(f.seen, info)
	return file, info.Size(), nil
}

// read returns a file's bytes, at most limit of them.
func (f *folder) read(name string, limit int64) ([]byte, error) {
	file, _, err := f.open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: over %d MiB", file.Name(), limit>>20)
	}
	return data, nil
}

// readObject parses a JSON file; an optional file that is absent is empty.
func (f *folder) readObject(name string, limit int64, optional bool) (*object, error) {
	data, err := f.read(name, limit)
	if errors.Is(err, fs.ErrNotExist) {
		if optional {
			return &object{}, nil
		}
		err = fmt.Errorf("%w: is %s a checkpoint in the Hugging Face layout?", err, f.dir)
	}
	if err != nil {
		return nil, err
	}
	o, err := parseObject(data)
	if err != nil {
		return nil, f.in(name, err)
	}
	return o, nil
}

// in says which file an error is about.
func (f *folder) in(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", filepath.Join(f.dir, name), err)
}

// plainName tells whether a name stays in its folder on every system.
func plainName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\\:\x00")
}
