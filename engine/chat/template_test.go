package chat

import (
	"encoding/json"
	"os"
	"testing"
)

// A golden is a conversation and its prompt as transformers renders it.
type golden struct {
	Messages            []Message         `json:"messages"`
	Tools               []json.RawMessage `json:"tools"`
	AddGenerationPrompt bool              `json:"add_generation_prompt"`
	EnableThinking      *bool             `json:"enable_thinking"`
	Text                string            `json:"text"`
}

func load(t testing.TB, name string) (*Template, []golden) {
	t.Helper()
	source, err := os.ReadFile("testdata/" + name + ".jinja")
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := Parse(string(source))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	return tmpl, cases
}

// The templates of the demo model and of Qwen3 render as the reference tokenizer library renders them.
func TestGolden(t *testing.T) {
	for _, name := range []string{"demo", "qwen3"} {
		tmpl, cases := load(t, name)
		for i, c := range cases {
			got, err := tmpl.Render(c.Messages, Options{
				Tools: c.Tools, AddGenerationPrompt: c.AddGenerationPrompt, EnableThinking: c.EnableThinking,
			})
			if err != nil {
				t.Errorf("%s, case %d: %v", name, i, err)
			} else if got != c.Text {
				t.Errorf("%s, case %d:\n got %q\nwant %q", name, i, got, c.Text)
			}
		}
	}
}
