package chat

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// A golden is a conversation and its prompt as transformers renders it.
type golden struct {
	Messages            []Message         `json:"messages"`
	Tools               []json.RawMessage `json:"tools"`
	AddGenerationPrompt bool              `json:"add_generation_prompt"`
	EnableThinking      *bool             `json:"enable_thinking"`
	Text                string            `json:"text"`
}

func parseFile(t testing.TB, name string) *Template {
	t.Helper()
	source, err := os.ReadFile("testdata/" + name + ".jinja")
	if err != nil {
		t.Fatal(err)
	}
	tmpl, err := Parse(string(source))
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

func readJSON(t testing.TB, name string, v any) {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The templates of the demo model and of Qwen3 render as the reference tokenizer
// library renders them.
func TestGolden(t *testing.T) {
	for _, name := range []string{"demo", "qwen3"} {
		tmpl := parseFile(t, name)
		var cases []golden
		readJSON(t, name, &cases)
		for i, c := range cases {
			got, err := tmpl.Render(c.Messages, Options{
				Tools: c.Tools, AddGenerationPrompt: c.AddGenerationPrompt, EnableThinking: c.EnableThinking,
			})
			if err != nil || got != c.Text {
				t.Errorf("%s, case %d: %v\n got %q\nwant %q", name, i, err, got, c.Text)
			}
		}
	}
}

// ChatML is the demo model's template in more lines.
func TestChatML(t *testing.T) {
	tmpl, err := Parse(ChatML)
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	readJSON(t, "demo", &cases)
	for i, c := range cases {
		got, err := tmpl.Render(c.Messages, Options{
			AddGenerationPrompt: c.AddGenerationPrompt, EnableThinking: c.EnableThinking,
		})
		if err != nil || got != c.Text {
			t.Errorf("case %d: %v\n got %q\nwant %q", i, err, got, c.Text)
		}
	}
}

// What an assistant wrote renders in the next turn as Jinja renders the text
// whole. The prompts of testdata/replies.json are Jinja's, of a message with
// the text in its content.
func TestReply(t *testing.T) {
	var cases []struct {
		Template, Text, Prompt string
		Answered               bool // the user says something more
	}
	readJSON(t, "replies", &cases)
	for _, c := range cases {
		tmpl := parseFile(t, c.Template)
		messages := []Message{{Role: "user", Content: "Hi"}, tmpl.Reply(c.Text)}
		if c.Answered {
			messages = append(messages, Message{Role: "user", Content: "And?"})
		}
		got, err := tmpl.Render(messages, Options{AddGenerationPrompt: c.Answered})
		if err != nil || got != c.Prompt {
			t.Errorf("%s, %q: %v\n got %q\nwant %q", c.Template, c.Text, err, got, c.Prompt)
		}
	}
}

func TestSplitReasoning(t *testing.T) {
	for _, c := range []struct{ text, reasoning, answer string }{
		{"<think>\nhm\n</think>\n\nHello!\n", "hm", "Hello!\n"},
		{"hm\n</think>\n\nHello!", "hm", "Hello!"},
		{"<think>\n\n</think>\n\nHello!", "", "Hello!"},
		{"<think>\nnot yet", "", "<think>\nnot yet"},
		{"a <think> b </think> c </think> d", " b ", " d"},
	} {
		if r, a := SplitReasoning(c.text); r != c.reasoning || a != c.answer {
			t.Errorf("%q splits into %q and %q", c.text, r, a)
		}
	}
}

// A session that is saved as JSON renders as before: the keys of a call keep
// their order, and characters of HTML stay.
func TestSavedSession(t *testing.T) {
	tmpl := parseFile(t, "qwen3")
	messages := []Message{
		{Role: "user", Content: "<b>&\u2028\"é"},
		{Role: "assistant", ToolCalls: []json.RawMessage{
			json.RawMessage(`{"function": {"name": "f", "arguments": {"z": "<&>", "a": [1.0, 2e0, null], "é": {}}}}`),
			json.RawMessage(`{"name": "g", "arguments": "{\"as\": \"text\"}"}`),
		}},
		{Role: "tool", Content: "ok", ToolCallID: "1", Name: "f"},
	}
	want := "<|im_start|>user\n<b>&\u2028\"é<|im_end|>\n" +
		"<|im_start|>assistant\n<tool_call>\n" +
		`{"name": "f", "arguments": {"z": "<&>", "a": [1.0, 2.0, null], "é": {}}}` + "\n</tool_call>\n<tool_call>\n" +
		`{"name": "g", "arguments": {"as": "text"}}` + "\n</tool_call><|im_end|>\n" +
		"<|im_start|>user\n<tool_response>\nok\n</tool_response><|im_end|>\n"
	for range 2 {
		if got, err := tmpl.Render(messages, Options{}); err != nil || got != want {
			t.Errorf("%v\n got %q\nwant %q", err, got, want)
		}
		text, err := json.Marshal(messages)
		if err != nil {
			t.Fatal(err)
		}
		messages = nil
		if err := json.Unmarshal(text, &messages); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOptions(t *testing.T) {
	tmpl, err := Parse("{{ bos_token }}|{{ eos_token is defined }}|{{ tools is none }}|{{ enable_thinking is defined }}|" +
		"{{ strftime_now('%d %b %Y') }}")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{BosToken: "<s>", Now: time.Date(2025, 3, 4, 0, 0, 0, 0, time.UTC)}
	if got, err := tmpl.Render(nil, o); err != nil || got != "<s>|False|True|False|04 Mar 2025" {
		t.Errorf("%q, %v", got, err)
	}
	o = Options{EosToken: "</s>", EnableThinking: new(bool), Tools: []json.RawMessage{[]byte(`{}`)}, Now: o.Now}
	if got, err := tmpl.Render(nil, o); err != nil || got != "|True|False|True|04 Mar 2025" {
		t.Errorf("%q, %v", got, err)
	}
}

// An error is one line that says where the trouble is.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		source, want string
		messages     []Message
		o            Options
	}{
		{"a\n{% if %}", "chat template: line 2: unexpected %}", nil, Options{}},
		{"{% include 'x' %}", "chat template: line 1: there is no statement 'include' here", nil, Options{}},
		{"\n{{ raise_exception('no system\\nrole') }}", "chat template: line 2: no system role", nil, Options{}},
		{"{{ messages[0].content }}", "chat template: line 1: cannot read 'content' of '0', which is undefined", nil, Options{}},
		{"", "message 1: ", []Message{{ToolCalls: []json.RawMessage{[]byte("{")}}}, Options{}},
		{"", "tool 2: ", nil, Options{Tools: []json.RawMessage{[]byte("{}"), []byte("x")}}},
	} {
		tmpl, err := Parse(c.source)
		if err == nil {
			_, err = tmpl.Render(c.messages, c.o)
		}
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v; want %s", c.source, err, c.want)
		}
	}
}

// The fields of a message are those of OpenAI's format.
func TestMessageJSON(t *testing.T) {
	const text = `{"role":"assistant","content":"c","reasoning_content":"r","name":"n",` +
		`"tool_calls":[{"b":1,"a":2}],"tool_call_id":"i"}`
	want := Message{"assistant", "c", "r", "n", []json.RawMessage{[]byte(`{"b":1,"a":2}`)}, "i"}
	var m Message
	if err := json.Unmarshal([]byte(text), &m); err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, %v", m, err)
	}
	if got, err := json.Marshal(m); err != nil || string(got) != text {
		t.Errorf("%s, %v", got, err)
	}
}
