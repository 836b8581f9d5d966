package chat

import (
	"encoding/json"
	"strings"
)

// A Message is one turn of a conversation, in the fields of OpenAI's chat
// format, so that other tools read a session that is saved as JSON.
type Message struct {
	Role             string `json:"role"` // "system", "user", "assistant" or "tool"
	Content          string `json:"content"`
	ReasoningContent string `json:"reasoning_content,omitempty"` // what an assistant thought before its answer
	Name             string `json:"name,omitempty"`

	// ToolCalls are the calls that an assistant asked for, one JSON object
	// each. They stay text, since templates print them and the order of their
	// keys is part of the prompt.
	ToolCalls  []json.RawMessage `json:"tool_calls,omitempty"`
	ToolCallID string            `json:"tool_call_id,omitempty"` // which call a tool answers
}

// SplitReasoning splits what an assistant wrote into its reasoning and its
// answer by the rule of Qwen3's template: the reasoning stands before the first
// </think>, less an opening <think>, and the answer after the last one, both
// without the newlines between them. Text without </think> is all answer, an
// unfinished thought included.
func SplitReasoning(text string) (reasoning, answer string) {
	const open, end = "<think>", "</think>"
	before, _, found := strings.Cut(text, end)
	if !found {
		return "", text
	}
	if i := strings.LastIndex(before, open); i >= 0 {
		before = before[i+len(open):]
	}
	after := text[strings.LastIndex(text, end)+len(end):]
	return strings.Trim(before, "\n"), strings.TrimLeft(after, "\n")
}
