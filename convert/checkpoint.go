package convert

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// checkpoint is the weights of a folder.
type checkpoint struct {
	tensors map[string]stored
	files   []*os.File
}

const (
	singleFile = "model.safetensors"
	indexFile  = "model.safetensors.index.json"
)

// openCheckpoint opens the folder's safetensors files: as transformers does,
// model.safetensors, else the files that the index names; without either, every
// *.safetensors of the folder.
func openCheckpoint(f *folder) (*checkpoint, error) {
	names, index, err := weightFiles(f)
	if err != nil {
		return nil, err
	}
	c := &checkpoint{tensors: make(map[string]stored)}
	for _, name := range names {
		if err := c.add(f, name); err != nil {
			c.close()
			return nil, err
		}
	}
	if index != nil {
		if err := c.match(f, index); err != nil {
			c.close()
			return nil, f.in(indexFile, err)
		}
	}
	return c, nil
}

// weightFiles names the files with weights; index is nil without an index.
func weightFiles(f *folder) (names []string, index map[string]string, err error) {
	if _, err := os.Stat(filepath.Join(f.dir, singleFile)); err == nil {
		return []string{singleFile}, nil, nil
	}
	o, err := f.readObject(indexFile, maxIndex, false)
	if errors.Is(err, fs.ErrNotExist) {
		return everyFile(f)
	}
	if err != nil {
		return nil, nil, err
	}
	if !o.decode("weight_map", &index) || len(index) == 0 {
		o.fail("weight_map", "missing or empty")
		return nil, nil, f.in(indexFile, o.err)
	}
	seen := make(map[string]bool)
	for tensor, name := range index {
		if !plainName(name) || !strings.HasSuffix(name, ".safetensors") {
			return nil, nil, f.in(indexFile, fmt.Errorf("weight_map: %.80q: %.80q is not the name of a safetensors file", tensor, name))
		}
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, index, nil
}

func everyFile(f *folder) ([]string, map[string]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".safetensors") {
			names = append(names, e.Name())
		}
	}
	if names == nil {
		return nil, nil, fmt.Errorf("%s: no *.safetensors: is this a checkpoint in the Hugging Face layout?", f.dir)
	}
	return names, nil, nil
}

// add opens a file and takes its tensors.
func (c *checkpoint) add(f *folder, name string) error {
	file, size, err := f.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %s names it: is the download whole?", err, indexFile)
	}
	if err != nil {
		return err
	}
	c.files = append(c.files, file)
	list, err := readSafetensors(file, size)
	if err != nil {
		return f.in(name, err)
	}
	for _, t := range list {
		if other, ok := c.tensors[t.name]; ok {
			return f.in(name, fmt.Errorf("tensor %.80q is in %s too", t.name, filepath.Base(other.file.Name())))
		}
		c.tensors[t.name] = t
	}
	return nil
}

// match checks that index and files agree.
func (c *checkpoint) match(f *folder, index map[string]string) error {
	for name, file := range index {
		if t, ok := c.tensors[name]; !ok || t.file.Name() != filepath.Join(f.dir, file) {
			return fmt.Errorf("weight_map: %.80q is not in %s", name, file)
		}
	}
	for name, t := range c.tensors {
		if _, ok := index[name]; !ok {
			return fmt.Errorf("weight_map: %.80q of %s is missing", name, filepath.Base(t.file.Name()))
		}
	}
	return nil
}

func (c *checkpoint) close() {
	for _, file := range c.files {
		file.Close()
	}
}

// sources are the checkpoint's tensors by name.
func (c *checkpoint) sources() map[string]source {
	have := make(map[string]source, len(c.tensors))
	for name, t := range c.tensors {
		have[name] = t.source()
	}
	return have
}

// dropTiedOutput forgets an output matrix that repeats the embedding, as in
// Qwen3-0.6B. In a tied model another one is an error: transformers would
// ignore it.
func (c *checkpoint) dropTiedOutput() (notes []string, err error) {
	out, ok := c.tensors["lm_head.weight"]
	embedding, both := c.tensors["model.embed_tokens.weight"]
	if !ok || !both {
		return nil, nil
	}
	same, err := equal(out, embedding)
	if err != nil {
		return nil, err
	}
	if !same {
		return nil, errors.New("tie_word_embeddings is true, but lm_head.weight differs from model.embed_tokens.weight")
	}
	delete(c.tensors, "lm_head.weight")
	return []string{"lm_head.weight repeats model.embed_tokens.weight and is stored once"}, nil
}

// equal tells whether two tensors have the same shape, type and bytes.
func equal(a, b stored) (bool, error) {
	if a.dtype != b.dtype || !slices.Equal(a.shape, b.shape) {
		return false, nil
	}
	x, y := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); off < a.size; off += int64(len(x)) {
		n := min(int64(len(x)), a.size-off)
		if _, err := a.file.ReadAt(x[:n], a.offset+off); err != nil {
			return false, err
		}
		if _, err := b.file.ReadAt(y[:n], b.offset+off); err != nil {
			return false, err
		}
		if !bytes.Equal(x[:n], y[:n]) {
			return false, nil
		}
	}
	return true, nil
}
