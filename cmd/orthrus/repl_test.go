package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"
)

// script is a lineReader that types lines. An empty prompt stands for none.
type script struct {
	lines   []string
	prompts []string // asked for
}

func (s *script) ReadLine(prompt string) (string, error) {
	s.prompts = append(s.prompts, prompt)
	if len(s.lines) == 0 {
		return "", io.EOF
	}
	line := s.lines[0]
	s.lines = s.lines[1:]
	if line == "^C" {
		return "", errCtrlC
	}
	return line, nil
}

func (s *script) Close() error { return nil }

// chatTest is a REPL with what it writes.
type chatTest struct {
	*repl
	out, err bytes.Buffer
}

func newChatTest(t testing.TB, args ...string) *chatTest {
	t.Helper()
	ct := &chatTest{}
	c := &console{in: strings.NewReader(""), out: &ct.out, err: &ct.err, errTerminal: true}
	f, cmd := &runFlags{}, &cobra.Command{}
	f.add(cmd)
	if err := cmd.ParseFlags(append([]string{"--temp", "0"}, args...)); err != nil {
		t.Fatal(err)
	}
	m, err := f.start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ct.stopReading()
		m.close()
	})
	ct.repl = newREPL(c, m, f, nil)
	ct.err.Reset() // of the note on the demo model
	return ct
}

// typed runs lines through the REPL and returns what it printed.
func (ct *chatTest) typed(t testing.TB, lines ...string) (out, err string) {
	t.Helper()
	ct.out.Reset()
	ct.err.Reset()
	ct.lines = &script{lines: lines}
	if err := ct.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return ct.out.String(), ct.err.String()
}

func TestMessages(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{[]string{"hello"}, "hello"},
		{[]string{`one \`, `two\`, "three"}, "one \ntwo\nthree"},
		{[]string{`"""one`, "", " two", `three"""`}, "one\n\n two\nthree"},
		{[]string{`"""`, "one", `"""`}, "one"},
		{[]string{`"""one"""`}, "one"},
		{[]string{`"""a \`, `b"""`}, "a \\\nb"},
		{[]string{""}, ""},
	} {
		s := &script{lines: c.lines}
		r := &repl{lines: s}
		got, err := r.read()
		if got != c.want || err != nil || len(s.lines) > 0 {
			t.Errorf("%q: %q, %v; want %q", c.lines, got, err, c.want)
		}
		for i, p := range s.prompts {
			if want := map[bool]string{true: promptFirst, false: promptMore}[i == 0]; p != want {
				t.Errorf("%q: line %d is asked for by %q, want %q", c.lines, i, p, want)
			}
		}
	}
	for _, lines := range [][]string{{`"""one`}, {`one\`}} {
		r := &repl{lines: &script{lines: lines}}
		if got, err := r.read(); err == nil || err == io.EOF {
			t.Errorf("%q: %q, %v; want an error", lines, got, err)
		}
	}
}

func TestCommandLine(t *testing.T) {
	for in, want := range map[string][2]string{
		"/help":            {"help", ""},
		" /set temp 0.5 ":  {"set", "temp 0.5"},
		"/system a\nb":     {"system", "a\nb"},
		"/etc/hosts is it": {},
		"/ help":           {},
		"help":             {},
		"//":               {},
	} {
		name, args, ok := command(in)
		if name != want[0] || args != want[1] || ok != (want[0] != "") {
			t.Errorf("%q: %q, %q, %t", in, name, args, ok)
		}
	}
}

const (
	count18 = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18"
	ask18   = "Count from 1 to 18."
)

func TestChat(t *testing.T) {
	ct := newChatTest(t)
	out, notes := ct.typed(t, "", ask18, "^C", "/nonsense", "/help now", "/help", "/bye", "never read")
	if out != count18+"\n" {
		t.Errorf("answer %q, want %q", out, count18)
	}
	for _, want := range []string{"62 tokens, ", "Ctrl-D or /bye leaves", "orthrus: /nonsense is no command: /help lists them", "orthrus: /help takes no arguments", "/regen"} {
		if !strings.Contains(notes, want) {
			t.Errorf("standard error lacks %q:\n%s", want, notes)
		}
	}
	if len(ct.messages) != 2 || ct.messages[1].Content != count18 {
		t.Fatalf("conversation %+v", ct.messages)
	}

	for _, leave := range []string{"/exit", "/quit"} {
		if out, notes := ct.typed(t, leave, "never read"); out != "" || notes != "" {
			t.Errorf("%s: %q, %q", leave, out, notes)
		}
	}

	_, notes = ct.typed(t, "/undo", "/undo", "/regen", "/stats")
	if len(ct.messages) != 0 || !strings.Contains(notes, "/undo: the conversation is empty") || !strings.Contains(notes, "/regen: there is no message") {
		t.Errorf("after /undo: %+v\n%s", ct.messages, notes)
	}

	ct.typed(t, ask18, "/system You count.", "/clear")
	if len(ct.messages) != 0 || len(ct.m.d.Cached()) != 0 || ct.system != "You count." {
		t.Errorf("after /clear: %+v, %d cached, system %q", ct.messages, len(ct.m.d.Cached()), ct.system)
	}
	if _, notes = ct.typed(t, "/system", "/system -", "/system"); !strings.Contains(notes, "You count.\nno system prompt\n") {
		t.Errorf("/system: %q", notes)
	}

	out, _ = ct.typed(t, ask18, "/regen")
	if out != count18+"\n"+count18+"\n" || len(ct.messages) != 2 {
		t.Errorf("/regen: %q, %d messages", out, len(ct.messages))
	}
}

// TestCacheFromTurnToTurn checks that a turn processes new tokens alone, and
// that its answer is that of an empty cache.
func TestCacheFromTurnToTurn(t *testing.T) {
	const second = "Count from 1 to 5."
	ct := newChatTest(t)
	ct.typed(t, ask18)
	ct.readAhead()
	<-ct.ahead.done
	history := len(ct.nextPrompt())
	want, notes := ct.typed(t, second, "/stats")
	if s := ct.last; s.Cached != history || s.Prompt-s.Cached > 20 {
		t.Errorf("%d of %d tokens reused, want the %d of the first turn", s.Cached, s.Prompt, history)
	}
	if !strings.Contains(notes, "reused from the cache") {
		t.Errorf("/stats does not tell: %s", notes)
	}
	fresh := newChatTest(t)
	fresh.messages = append(fresh.messages, ct.messages[:2]...)
	if got, _ := fresh.typed(t, second); got != want {
		t.Errorf("from the cache %q, without %q", want, got)
	}
}

func TestSet(t *testing.T) {
	ct := newChatTest(t)
	ct.typed(t, "/set temp 0.7", "/set top-k 5", "/set top-p 0.5", "/set min-p 0.1", "/set seed 9", "/set mode ar", "/set block 4", "/set n 3", "/set think on")
	o := ct.options
	if s := o.Sampling; s.Temp != 0.7 || s.TopK != 5 || s.TopP != 0.5 || s.MinP != 0.1 || s.Seed != 9 || !ct.seeded {
		t.Errorf("sampling %+v, seeded %t", s, ct.seeded)
	}
	if o.Mode != modes["ar"] || o.Block != 4 || o.MaxTokens != 3 || !*ct.think {
		t.Errorf("options %+v, think %t", o, *ct.think)
	}
	for _, line := range []string{"temp", "temp -1", "temp NaN", "temp a", "temp 1 2", "top-k -1", "top-p 2", "min-p x", "seed -1", "mode fast", "block 33", "n 0", "n -2", "think maybe", "nothing 1"} {
		if _, notes := ct.typed(t, "/set "+line); !strings.HasPrefix(notes, "orthrus: /set ") {
			t.Errorf("/set %s: %q, want an error", line, notes)
		}
	}
	if ct.options != o {
		t.Errorf("refused values changed the options: %+v", ct.options)
	}
	_, notes := ct.typed(t, "/set n -1", "/set seed random", "/set think default", "/set mode diffusion", "/set")
	for _, want := range []string{"temp   0.7", "seed   random", "mode   diffusion", "block  4", "n      -1", "think  default"} {
		if !strings.Contains(notes, want) {
			t.Errorf("/set lacks %q:\n%s", want, notes)
		}
	}
}

func TestContextFull(t *testing.T) {
	ct := newChatTest(t, "-c", "60")
	_, notes := ct.typed(t, ask18, ask18)
	if !strings.Contains(notes, "the context is full") || !strings.Contains(notes, "/undo or /clear, or start with a larger -c") {
		t.Errorf("%s", notes)
	}
	if len(ct.messages) != 2 {
		t.Errorf("%d messages, want the first turn alone", len(ct.messages))
	}
}

func TestSession(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session")
	ct := newChatTest(t, "--system", "Count well.", "--seed", "5")
	_, notes := ct.typed(t, "/save", ask18, "/set temp 0.01", "/save "+path)
	if !strings.Contains(notes, "/save: name the file") || !strings.Contains(notes, "saved 1 turn") {
		t.Errorf("%s", notes)
	}
	for _, bad := range []string{filepath.Join(path, "below"), filepath.Dir(path)} {
		if _, notes := ct.typed(t, "/save "+bad); !strings.HasPrefix(notes, "orthrus: /save: cannot write "+bad+": ") || strings.Count(notes, "\n") != 1 {
			t.Errorf("/save %s: %q", bad, notes)
		}
	}
	saved := len(ct.m.d.Cached())
	want, _ := ct.typed(t, "Count from 1 to 5.")

	back := newChatTest(t)
	if _, notes := back.typed(t, "/load "+path); !strings.Contains(notes, "loaded 1 turn") {
		t.Fatal(notes)
	}
	if back.system != "Count well." || len(back.messages) != 2 || len(back.m.d.Cached()) != saved || !back.seeded || back.options.Sampling.Temp != 0.01 {
		t.Errorf("restored %q, %+v, %d cached, %+v", back.system, back.messages, len(back.m.d.Cached()), back.options)
	}
	got, _ := back.typed(t, "Count from 1 to 5.")
	if got != want || back.last.Cached < 20 {
		t.Errorf("goes on with %q (%d reused), want %q", got, back.last.Cached, want)
	}

	f32 := newChatTest(t, "--cache-type", "f32")
	if _, notes := f32.typed(t, "/load "+path, "/load", "/load "+path+"x"); !strings.Contains(notes, "cache type") || strings.Count(notes, "orthrus: /load") != 3 {
		t.Errorf("%s", notes)
	}
}

func TestSessionDamaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session")
	ct := newChatTest(t)
	ct.typed(t, ask18, "/save "+path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, notes := ct.typed(t, "/load "+path); !strings.HasPrefix(notes, "orthrus: /load "+path+": ") || strings.Count(notes, "\n") != 1 {
			t.Errorf("%s: %q", name, notes)
		}
		if len(ct.messages) != 2 || len(ct.m.d.Cached()) != 0 && name != "header" && name != "cut early" {
			t.Errorf("%s: %d messages, %d cached", name, len(ct.messages), len(ct.m.d.Cached()))
		}
	}
	for _, n := range []int{0, 3, 20} {
		refused("cut early", data[:n])
	}
	refused("cut in half", data[:len(data)/2])
	refused("cut at the end", data[:len(data)-1])
	for _, at := range []int{len(data) / 3, len(data) / 2, len(data) - 2} {
		flipped := bytes.Clone(data)
		flipped[at] ^= 0x10
		refused("a flipped bit", flipped)
	}
	flipped := bytes.Clone(data)
	flipped[0] ^= 1
	refused("header", flipped)
	refused("appended", append(bytes.Clone(data), data...))

	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if err := writeSessionHeader(z, &sessionHeader{Model: "another", Name: "other"}); err != nil {
		t.Fatal(err)
	}
	z.Close()
	if _, err := ct.readSession(&b); err == nil || !strings.Contains(err.Error(), "another model") {
		t.Errorf("a session of another model: %v", err)
	}
}
