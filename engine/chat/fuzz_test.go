package chat

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// No template and no message panics, and errors are one line.
func FuzzTemplate(f *testing.F) {
	for _, name := range []string{"demo", "qwen3"} {
		source, err := os.ReadFile("testdata/" + name + ".jinja")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(source), "user", "Hi", `{"name": "f", "arguments": {"a": 1}}`)
		f.Add(string(source), "assistant", "<think>\na\n</think>\n\nb", `"x"`)
	}
	f.Add(ChatML, "system", "\xff", "{")
	f.Fuzz(func(t *testing.T, source, role, content, call string) {
		tmpl, err := Parse(source)
		if err == nil {
			messages := []Message{
				{Role: "user", Content: content},
				{Role: role, Content: content, ToolCalls: []json.RawMessage{[]byte(call)}},
				tmpl.Reply(content),
			}
			_, err = tmpl.Render(messages, Options{Tools: messages[1].ToolCalls, AddGenerationPrompt: true})
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%q", err)
		}
	})
}
