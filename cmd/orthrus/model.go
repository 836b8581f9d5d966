package main

import (
	"errors"
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

// model is a model file ready to run.
type model struct {
	file     *gguf.File
	net      *engine.Net
	tok      *tokenizer.Tokenizer
	template *chat.Template // nil if the file has none
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
		c.note("no -m given: running the demo model inside the program, a toy that writes Go boilerplate")
	}
	return f, true, err
}

// open loads the model and places it on the backend.
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
		return fmt.Errorf("%s: %w", m.file.Path, err)
	}
	if m.tok.Size() > weights.Vocab {
		return fmt.Errorf("%s: the tokenizer has %d tokens and token_embd.weight %d rows", m.file.Path, m.tok.Size(), weights.Vocab)
	}
	source, err := m.file.Metadata.Text("tokenizer.chat_template")
	if err == nil {
		if m.template, err = chat.Parse(source); err != nil {
			return fmt.Errorf("%s: %w", m.file.Path, err)
		}
	} else if !errors.Is(err, gguf.ErrMissing) {
		return fmt.Errorf("%s: %w", m.file.Path, err)
	}
	backend, err := newBackend(f)
	if err != nil {
		return err
	}
	m.net, err = engine.Place(weights, backend, nil)
	return err
}

// newBackend is the device that -b chooses. The CPU is the only one so far.
// An ORTHRUS_CPU that this machine cannot satisfy is an error, not a surprise in
// the figures.
func newBackend(f *modelFlags) (engine.Backend, error) {
	if _, err := quant.CPU(); err != nil {
		return nil, err
	}
	return cpu.New(f.cpuThreads()), nil
}

// name is what people call the model.
func (m *model) name() string {
	if m.net.Name != "" {
		return printable(m.net.Name)
	}
	return strings.TrimSuffix(filepath.Base(m.file.Path), ".gguf")
}

// decoder allocates a conversation.
func (m *model) decoder(f *modelFlags) (*engine.Decoder, error) {
	context := f.context
	if context == 0 {
		context = min(m.net.Context, defaultContext)
	}
	return engine.NewDecoder(m.net, engine.DecoderOptions{Context: context, Cache: cacheTypes[f.cacheType]})
}

// render writes a conversation as the model was taught to read it.
func (m *model) render(messages []chat.Message, thinking *bool) (string, error) {
	if m.template == nil {
		return "", fmt.Errorf("%s: tokenizer.chat_template: missing: use run --raw", m.file.Path)
	}
	text, err := m.template.Render(messages, chat.Options{AddGenerationPrompt: true, EnableThinking: thinking})
	if err != nil {
		return "", fmt.Errorf("%s: %w", m.file.Path, err)
	}
	return text, nil
}

func (m *model) close() {
	if m.net != nil {
		m.net.Backend.Close()
	}
	if m.file != nil { // random weights have none
		m.file.Close()
	}
}
