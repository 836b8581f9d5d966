package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"orthrus/engine"
	"orthrus/engine/chat"
	"orthrus/engine/cpu"
	"orthrus/engine/tokenizer"
	"orthrus/gguf"
	"orthrus/quant"
)

// defaultContext bounds the context where none is asked for.
const defaultContext = 8192

// model is a model ready to run, with one conversation.
type model struct {
	file     *gguf.File // nil for random weights, as is tok
	tok      *tokenizer.Tokenizer
	net      *engine.Net
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

// open loads the model and places it on the backend. converse follows.
func (f *modelFlags) open(c *console) (m *model, err error) {
	start := time.Now()
	m = &model{}
	if m.file, m.demo, err = openFile(c, f.path); err != nil {
		return nil, err
	}
	if err = m.load(f); err != nil {
		m.close()
		return nil, err
	}
	m.loadTime = time.Since(start)
	return m, nil
}

func (m *model) load(f *modelFlags) error {
	weights, err := engine.Load(m.file)
	if err != nil {
		return err
	}
	if m.tok, err = tokenizer.FromGGUF(m.file.Metadata); err != nil {
		return m.fileError(err)
	}
	if m.tok.Size() > weights.Vocab {
		return m.fileError(fmt.Errorf("the tokenizer has %d tokens and token_embd.weight %d rows", m.tok.Size(), weights.Vocab))
	}
	return m.place(weights, f)
}

// place puts the weights on the device that -b chooses: the CPU is the only one
// so far. An ORTHRUS_CPU that this machine cannot satisfy is an error, not a
// surprise in the figures.
func (m *model) place(weights *engine.Model, f *modelFlags) (err error) {
	if _, err = quant.CPU(); err != nil {
		return err
	}
	m.net, err = engine.Place(weights, cpu.New(f.cpuThreads()), nil)
	return err
}

// converse allocates the conversation, with the context that -c asks for, or
// the given one.
func (m *model) converse(f *modelFlags, context int) (err error) {
	if f.context > m.net.Context {
		return fmt.Errorf("-c %d: %s was made for a context of at most %d tokens: lower -c", f.context, m.name(), m.net.Context)
	}
	if f.context > 0 {
		context = f.context
	}
	m.d, err = engine.NewDecoder(m.net, engine.DecoderOptions{Context: context, Cache: cacheTypes[f.cacheType]})
	return err
}

// check refuses a way to decode that the model does not have.
func (m *model) check(o engine.GenerateOptions) error {
	drafts := o.Mode == engine.DraftMode || o.Mode == engine.Auto && o.Block > 1
	switch {
	case drafts && !m.net.HasDiffusion():
		return fmt.Errorf("%s has no diffusion view to draft with: use --mode ar, without --block", m.name())
	case drafts && o.Block > m.net.BlockSize:
		return fmt.Errorf("--block %d: %s drafts with at most %d rows", o.Block, m.name(), m.net.BlockSize)
	}
	return nil
}

// name is what people call the model.
func (m *model) name() string {
	if m.net.Name != "" {
		return printable(m.net.Name)
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
