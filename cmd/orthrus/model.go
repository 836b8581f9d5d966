package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"orthrus/engine"
	"orthrus/engine/chat"
	"orthrus/engine/tokenizer"
	"orthrus/gguf"
)

// defaultContext bounds the context where none is asked for.
const defaultContext = 8192

// model is a model ready to run, with one conversation.
type model struct {
	file     *gguf.File // nil for random weights, as is tok
	tok      *tokenizer.Tokenizer
	weights  *engine.Model
	net      *engine.Net // nil before converse, as is d
	d        *engine.Decoder
	template *chat.Template // nil before loadTemplate, and if the file has none
	demo     bool
	loadTime time.Duration
}

// openFile opens a model file, or the demo for an empty path.
func openFile(c *console, path string) (f *gguf.File, demo bool, err error) {
	if path != "" {
		f, err = gguf.Open(path)
		return f, false, err
	}
	if f, err = openDemo(); err == nil {
		c.note("no -m given: running the built-in demo model, a toy that writes Go boilerplate")
	}
	return f, true, err
}

// open loads the model. converse places it on a device.
func (f *modelFlags) open(c *console) (m *model, err error) {
	start := time.Now()
	m = &model{}
	if m.file, m.demo, err = openFile(c, f.path); err != nil {
		return nil, err
	}
	if err = m.load(); err != nil {
		m.close()
		return nil, err
	}
	m.loadTime = time.Since(start)
	return m, nil
}

func (m *model) load() (err error) {
	if m.weights, err = engine.Load(m.file); err != nil {
		return err
	}
	if m.tok, err = tokenizer.FromGGUF(m.file.Metadata); err != nil {
		return m.fileError(err)
	}
	if m.tok.Size() > m.weights.Vocab {
		return m.fileError(fmt.Errorf("the tokenizer has %d tokens and token_embd.weight %d rows", m.tok.Size(), m.weights.Vocab))
	}
	return nil
}

// converse puts the model on a device and allocates the conversation, with the
// context that -c asks for, or the given one.
func (m *model) converse(c *console, f *modelFlags, context int) error {
	start := time.Now()
	if f.context > m.weights.Context {
		return fmt.Errorf("-c %d: %s was made for a context of at most %d tokens: lower -c", f.context, m.name(), m.weights.Context)
	}
	if f.context > 0 {
		context = f.context
	}
	o := engine.DecoderOptions{Context: context, Cache: cacheTypes[f.cacheType]}
	b, err := f.choose(c, m.weights, o)
	if err != nil {
		return err
	}
	progress, finish := c.lateProgress("to " + b.Name())
	m.net, err = engine.Place(m.weights, b, progress)
	finish()
	if err != nil {
		b.Close()
		return err
	}
	m.d, err = engine.NewDecoder(m.net, o)
	m.loadTime += time.Since(start)
	return err
}

// check refuses a way to decode that the model does not have.
func (m *model) check(o engine.GenerateOptions) error {
	drafts := o.Mode == engine.DraftMode || o.Mode == engine.Auto && o.Block > 1
	switch {
	case drafts && !m.weights.HasDiffusion():
		return fmt.Errorf("%s has no diffusion view to draft with: use --mode ar, without --block", m.name())
	case drafts && o.Block > m.weights.BlockSize:
		return fmt.Errorf("--block %d: %s drafts with at most %d rows", o.Block, m.name(), m.weights.BlockSize)
	}
	return nil
}

// name is what people call the model.
func (m *model) name() string {
	if m.weights.Name != "" {
		return printable(m.weights.Name)
	}
	return strings.TrimSuffix(filepath.Base(m.file.Path), ".gguf")
}

// fileError tells that an error is about the model's file.
func (m *model) fileError(err error) error { return fmt.Errorf("%s: %w", m.file.Path, err) }

func (m *model) close() {
	if m.d != nil {
		m.d.Close()
	}
	if m.net != nil {
		m.net.Backend.Close()
	}
	if m.file != nil {
		m.file.Close()
	}
}
