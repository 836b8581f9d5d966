package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/parser"
)

// Limits of one rendering.
const (
	maxSource = 256 << 10        // bytes of a template
	maxTime   = 10 * time.Second // of one rendering
	maxRange  = 1 << 16          // items of range()
)

// A Template is a parsed chat template.
type Template struct {
	source string
	parsed *exec.Template
}

// Options are the variables of a template beside the messages.
type Options struct {
	Tools               []json.RawMessage // tool schemas, as JSON objects
	AddGenerationPrompt bool              // end with the opening of the assistant's turn
	EnableThinking      *bool             // undefined in the template if nil
	BosToken, EosToken  string            // undefined in the template if empty
}

// Parse parses a Jinja template. Templates cannot include, import or extend others.
func Parse(source string) (t *Template, err error) {
	if len(source) > maxSource {
		return nil, fmt.Errorf("chat template: %d bytes, more than %d", len(source), maxSource)
	}
	defer recovered(&err)
	c := config.New()
	c.TrimBlocks, c.LeftStripBlocks = true, true
	loader, err := loaders.NewMemoryLoader(map[string]string{"/chat_template": source})
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	parsed, err := exec.NewTemplate("/chat_template", c, loader, environment())
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	return &Template{source, parsed}, nil
}

// Render renders messages into a prompt.
//
// gonja cannot be interrupted: a template that runs out of time gives an error, but its goroutine goes on. A macro
// that calls itself without end, a value that holds itself, or a string multiplied by a huge number end the process.
func (t *Template) Render(messages []Message, o Options) (string, error) {
	context, err := variables(messages, o)
	if err != nil {
		return "", err
	}
	out := &output{left: 1<<20 + 16*len(t.source)}
	for _, m := range messages {
		out.left += 16 * len(m.Content)
	}
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() { done <- err }()
		defer recovered(&err)
		err = t.parsed.Execute(out, exec.NewContext(context))
	}()
	select {
	case err := <-done:
		if err != nil {
			return "", fmt.Errorf("chat template: %w", err)
		}
		return out.text.String(), nil
	case <-time.After(maxTime):
		return "", fmt.Errorf("chat template: still rendering after %v", maxTime)
	}
}

func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("chat template: %v", r)
	}
}

// An output is the text of a rendering, limited in length.
type output struct {
	text strings.Builder
	left int
}

var errLong = errors.New("the text grows too long")

func (o *output) Write(p []byte) (int, error) {
	if o.left -= len(p); o.left < 0 {
		return 0, errLong
	}
	return o.text.Write(p)
}

var _ io.Writer = (*output)(nil)

func variables(messages []Message, o Options) (map[string]any, error) {
	list := make([]any, len(messages))
	for i, m := range messages {
		text, err := json.Marshal(m)
		if err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
		if list[i], err = decode(text); err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
	}
	v := map[string]any{"messages": list, "add_generation_prompt": o.AddGenerationPrompt}
	if o.Tools != nil {
		tools := make([]any, len(o.Tools))
		for i, text := range o.Tools {
			var err error
			if tools[i], err = decode(text); err != nil {
				return nil, fmt.Errorf("tool %d: %w", i, err)
			}
		}
		v["tools"] = tools
	}
	if o.EnableThinking != nil {
		v["enable_thinking"] = *o.EnableThinking
	}
	if o.BosToken != "" {
		v["bos_token"] = o.BosToken
	}
	if o.EosToken != "" {
		v["eos_token"] = o.EosToken
	}
	return v, nil
}

func environment() *exec.Environment {
	filters := exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters)
	filters.Replace("tojson", toJSON)
	statements := exec.NewControlStructureSet(map[string]parser.ControlStructureParser{})
	for _, name := range []string{"for", "if", "set", "macro", "filter", "raw", "with", "break", "continue", "call"} {
		p, _ := builtins.ControlStructures.Get(name)
		statements.Register(name, p)
	}
	functions := exec.EmptyContext().Update(builtins.GlobalFunctions).Update(exec.NewContext(map[string]any{
		"range":           pythonRange,
		"raise_exception": func(message string) (string, error) { return "", errors.New(message) },
		"strftime_now":    strftimeNow,
	}))
	return &exec.Environment{
		Context:           functions,
		Filters:           filters,
		Tests:             builtins.Tests,
		ControlStructures: statements,
		Methods:           methods(),
	}
}
