package chat

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"orthrus/engine/chat/jinja"
)

// ChatML is the template for models whose file carries none: every message
// between <|im_start|> and <|im_end|>, as Qwen's models are trained.
const ChatML = `{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- endif %}
{%- endif %}`

// A Template is a parsed chat template. It may be used by several goroutines at
// once.
type Template struct {
	jinja   *jinja.Template
	reasons bool // it reads reasoning_content
}

// Parse parses a Jinja template, as a model file carries it. The error names
// the line.
func Parse(source string) (*Template, error) {
	t, err := jinja.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	return &Template{t, strings.Contains(source, "reasoning_content")}, nil
}

// Options are the variables of a template beside the messages. With their zero
// values, those that transformers would not set are undefined.
type Options struct {
	Tools               []json.RawMessage // schemas of tools, one JSON object each
	AddGenerationPrompt bool              // end with the opening of the assistant's turn
	EnableThinking      *bool             // whether to think before the answer; nil leaves it to the template
	BosToken, EosToken  string            // the texts of these tokens; empty if the model has none
	Now                 time.Time         // for templates that tell the date; the zero time is the present
}

// Render renders messages into the prompt that transformers' apply_chat_template
// gives. The error is one line: what the template itself refuses, what Jinja
// refuses, or the limit on its work.
func (t *Template) Render(messages []Message, o Options) (string, error) {
	variables := map[string]jinja.Value{"add_generation_prompt": o.AddGenerationPrompt, "documents": nil}
	var err error
	if variables["messages"], err = list("message", messages); err != nil {
		return "", err
	}
	if variables["tools"], err = list("tool", o.Tools); err != nil {
		return "", err
	}
	if len(o.Tools) == 0 {
		variables["tools"] = nil
	}
	if o.EnableThinking != nil {
		variables["enable_thinking"] = *o.EnableThinking
	}
	if o.BosToken != "" {
		variables["bos_token"] = o.BosToken
	}
	if o.EosToken != "" {
		variables["eos_token"] = o.EosToken
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	text, err := t.jinja.Render(variables, o.Now)
	if err != nil {
		return "", fmt.Errorf("chat template: %w", err)
	}
	return text, nil
}

// Reply returns what an assistant wrote as a message for the next turn. It
// renders as transformers renders the text whole; its reasoning stands apart if
// the template knows it apart.
func (t *Template) Reply(text string) Message {
	m := Message{Role: "assistant", Content: text}
	if t.reasons {
		m.ReasoningContent, m.Content = SplitReasoning(text)
	}
	return m
}

// list passes values on as templates see them: in the fields of their JSON.
func list[T any](what string, values []T) (jinja.List, error) {
	l := make(jinja.List, len(values))
	for i, v := range values {
		text, err := json.Marshal(v)
		if err == nil {
			l[i], err = jinja.DecodeJSON(text)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", what, i+1, err)
		}
	}
	return l, nil
}
