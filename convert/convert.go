// Package convert writes GGUF files: from checkpoints of Qwen3 and Orthrus
// models in the Hugging Face layout, and from other GGUF files in another type.
//
// Every tensor of the input is used or refused by name, and every shape is
// checked. Tensors pass through memory in small pieces, whatever the model's
// size. The output appears whole or not at all.
//
// Checkpoints come from strangers: sizes, offsets, types and names are checked
// before use, and no name in a file reaches outside the checkpoint's folder.
package convert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"orthrus/gguf"
)

// Options say what to write. The zero value writes all that the input has as
// DefaultType.
type Options struct {
	Out      string                  // path; Convert names an empty one after model and type, in the working directory
	Type     string                  // one of Types; "" is DefaultType
	DiffType string                  // type of the diffusion projections; "" is one that fits Type
	View     string                  // "both" or "": all; "ar": without the diffusion view, a plain qwen3 model
	Threads  int                     // 0: as many as GOMAXPROCS
	Progress func(done, total int64) // called with bytes of tensor data read, by one goroutine at a time
}

// Report describes the file written.
type Report struct {
	Path           string
	Arch           string // general.architecture: orthrus or qwen3
	Type, DiffType string // DiffType is empty without a diffusion view
	Bytes          int64
	Params         int64
	BitsPerWeight  float64    // of the tensors' data
	Types          []TypeSize // by bytes, most first
	Notes          []string   // what the user should know, a sentence each
	Elapsed        time.Duration
}

// TypeSize is what the tensors of one type add up to.
type TypeSize struct {
	Type    gguf.Type
	Tensors int
	Bytes   int64
}

// Convert writes the checkpoint in a folder as a GGUF file. The folder may also
// be the name of a Hugging Face repository (org/model) that is in the local
// cache. It holds config.json, safetensors files, tokenizer.json, and optionally
// generation_config.json, tokenizer_config.json and chat_template.jinja.
//
// If ctx is cancelled, nothing is left behind, and the error is its cause.
func Convert(ctx context.Context, dir string, o Options) (*Report, error) {
	dir, name, err := findFolder(dir)
	if err != nil {
		return nil, err
	}
	f := &folder{dir: dir}
	config, err := f.readObject("config.json", maxConfig, false)
	if err != nil {
		return nil, err
	}
	h, err := parseConfig(config)
	if err != nil {
		return nil, f.in("config.json", err)
	}
	main, diff, err := o.recipes(h)
	if err != nil {
		return nil, err
	}
	text, err := readText(f, config, h.vocab)
	if err != nil {
		return nil, err
	}
	weights, err := openCheckpoint(f)
	if err != nil {
		return nil, err
	}
	defer weights.close()
	m := &model{h: h, inputs: f.seen}
	if h.tied {
		if m.notes, err = weights.dropTiedOutput(); err != nil {
			return nil, f.in("config.json", err)
		}
	}
	if err := m.match(weights.sources(), func(s slot) string { return s.hf }); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if o.View == "ar" {
		m.dropDiffusion()
	}
	if o.Out == "" {
		o.Out = name + "-" + main.name + ".gguf"
	}
	return m.write(ctx, o, main, diff, append(h.metadata(name, main.fileType), text...))
}

// readText reads what turns text into tokens and back, as GGUF metadata.
func readText(f *folder, config *object, vocab int) (gguf.Metadata, error) {
	gen, err := f.readObject("generation_config.json", maxConfig, true)
	if err != nil {
		return nil, err
	}
	g := parseGeneration(gen, config, vocab)
	if err := cmp.Or(f.in("generation_config.json", gen.err), f.in("config.json", config.err)); err != nil {
		return nil, err
	}
	tok, err := f.readObject("tokenizer.json", maxTokenizer, false)
	if err != nil {
		return nil, err
	}
	v, err := parseTokenizer(tok, vocab)
	if err != nil {
		return nil, f.in("tokenizer.json", err)
	}
	templates, err := readTemplates(f)
	if err != nil {
		return nil, err
	}
	var md gguf.Metadata
	g.addTo(&md)
	v.addTo(&md)
	addTemplates(&md, templates)
	return md, nil
}

// readTemplates reads chat_template.jinja, which transformers prefers, or what
// tokenizer_config.json has.
func readTemplates(f *folder) ([]chatTemplate, error) {
	text, err := f.read("chat_template.jinja", maxTemplate)
	if err == nil {
		return []chatTemplate{{"default", string(text)}}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	o, err := f.readObject("tokenizer_config.json", maxIndex, true)
	if err != nil {
		return nil, err
	}
	list, err := parseTemplates(o)
	return list, f.in("tokenizer_config.json", err)
}

// recipes finds what the options ask for, in a file of the given model.
func (o Options) recipes(h *hparams) (main, diff recipe, err error) {
	if main, err = findRecipe(cmp.Or(o.Type, DefaultType)); err != nil {
		return
	}
	if diff, err = findRecipe(cmp.Or(o.DiffType, main.diff)); err != nil {
		return
	}
	switch {
	case o.View != "" && o.View != "both" && o.View != "ar":
		err = fmt.Errorf("view %q is unknown: choose both or ar", o.View)
	case o.DiffType != "" && (o.View == "ar" || h.blockSize == 0):
		err = errors.New("a type is given for the diffusion projections, but the output has none: leave it out")
	}
	return
}

// count sums up the tensors.
func (r *Report) count(weights []weight) {
	var bits int64
	for i := range weights {
		w := &weights[i]
		size := w.size(w.to, w.elems())
		r.Params += int64(w.elems())
		bits += 8 * size
		at := slices.IndexFunc(r.Types, func(t TypeSize) bool { return t.Type == w.to })
		if at < 0 {
			at = len(r.Types)
			r.Types = append(r.Types, TypeSize{Type: w.to})
		}
		r.Types[at].Tensors++
		r.Types[at].Bytes += size
	}
	slices.SortStableFunc(r.Types, func(a, b TypeSize) int { return cmp.Compare(b.Bytes, a.Bytes) })
	r.BitsPerWeight = float64(bits) / float64(r.Params)
}
