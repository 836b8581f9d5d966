package main

import (
	"errors"
	"slices"

	"orthrus/engine/chat"
	"orthrus/gguf"
)

// loadTemplate reads the file's chat template. A file without one gets ChatML
// if it has the tokens for that; else there is none.
func (m *model) loadTemplate(c *console) error {
	source, err := m.file.Metadata.Text("tokenizer.chat_template")
	if errors.Is(err, gguf.ErrMissing) {
		_, begins := m.control("<|im_start|>")
		end, ends := m.control("<|im_end|>")
		if !begins || !ends {
			return nil
		}
		c.note("%s has no chat template: using ChatML", m.name())
		if !slices.Contains(m.weights.EOG, end) {
			m.weights.EOG = append(m.weights.EOG, end)
		}
		source, err = chat.ChatML, nil
	}
	if err == nil {
		m.template, err = chat.Parse(source)
	}
	if err != nil {
		return m.fileError(err)
	}
	return nil
}

// control finds the token that text is, where it stands in a rendered template.
func (m *model) control(text string) (id int32, ok bool) {
	if ids := m.tok.Encode(text, true); len(ids) == 1 {
		return ids[0], true
	}
	return 0, false
}

// render writes a conversation as the model was taught to read it.
func (m *model) render(messages []chat.Message, thinking *bool) (string, error) {
	text, err := m.template.Render(messages, chat.Options{
		AddGenerationPrompt: true, EnableThinking: thinking,
		BosToken: m.special("tokenizer.ggml.bos_token_id"), EosToken: m.special("tokenizer.ggml.eos_token_id"),
	})
	if err != nil {
		return "", m.fileError(err)
	}
	return text, nil
}

// special is the text of the token under a metadata key, empty if there is none.
func (m *model) special(key string) string {
	id, err := m.file.Metadata.Uint(key)
	if err != nil || id >= uint64(m.tok.Size()) {
		return ""
	}
	text, _ := m.tok.Token(int32(id))
	return text
}

// opening is the prompt of a conversation that begins with a message; without a
// template, the message as it is.
func (m *model) opening(f *templateFlags, message string) (string, error) {
	if m.template != nil {
		return m.render(f.conversation(message), f.thinking(m.demo))
	}
	if f.given() {
		return "", m.fileError(errors.New("tokenizer.chat_template is missing, so --system, --think and --no-think have no place: leave them out"))
	}
	return message, nil
}

// conversation is a message as the first turn.
func (f *templateFlags) conversation(message string) []chat.Message {
	var messages []chat.Message
	if f.system != "" {
		messages = append(messages, chat.Message{Role: "system", Content: f.system})
	}
	return append(messages, chat.Message{Role: "user", Content: message})
}
