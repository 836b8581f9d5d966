package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"orthrus/engine"
)

// replCommand is a line of /help and what it does.
type replCommand struct {
	name, args, help string
	do               func(r *repl, ctx context.Context, args string) error
}

// replCommands are in the order of /help, which lists itself: hence the init.
var replCommands []replCommand

func init() {
	replCommands = []replCommand{
		{"help", "", "this list", (*repl).help},
		{"clear", "", "forget the conversation", (*repl).clear},
		{"system", "[TEXT|-]", "show, set or remove (-) the system prompt", (*repl).setSystem},
		{"set", "[NAME VALUE]", "show the settings, or change one", (*repl).set},
		{"stats", "", "figures of the last answer and of the conversation", (*repl).stats},
		{"save", "FILE", "save the conversation with its KV cache", (*repl).save},
		{"load", "FILE", "go on with a saved conversation", (*repl).load},
		{"regen", "", "answer the last message again", (*repl).regen},
		{"undo", "", "take back the last message and its answer", (*repl).undo},
		{"bye", "", "leave (or /exit, Ctrl-D)", (*repl).bye},
	}
}

var commandLine = regexp.MustCompile(`^/([a-z]+)(?:\s+((?s:.*)))?$`)

// command splits a message that is a command: /name and what follows it. A path
// such as /etc/hosts is none.
func command(message string) (name, args string, ok bool) {
	m := commandLine.FindStringSubmatch(strings.TrimSpace(message))
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

func (r *repl) obey(ctx context.Context, name, args string) error {
	if name == "exit" || name == "quit" { // as other programs have it
		name = "bye"
	}
	for _, cmd := range replCommands {
		if cmd.name != name {
			continue
		}
		if cmd.args == "" && args != "" {
			return fmt.Errorf("/%s takes no arguments", name)
		}
		r.stopReading()
		return cmd.do(r, ctx, args)
	}
	return fmt.Errorf("/%s is no command: /help lists them", name)
}

func (r *repl) help(context.Context, string) error {
	for _, cmd := range replCommands {
		fmt.Fprintf(r.c.err, "  %-20s %s\n", "/"+cmd.name+" "+cmd.args, cmd.help)
	}
	fmt.Fprintln(r.c.err, `A line that ends in \ goes on in the next one; """ begins and ends a message
of several lines. Ctrl-C ends an answer.`)
	return nil
}

func (r *repl) clear(context.Context, string) error {
	r.messages = nil
	r.last, r.generated = engine.Stats{}, 0
	r.m.d.Reset()
	return nil
}

func (r *repl) setSystem(_ context.Context, args string) error {
	switch args {
	case "":
		if r.system == "" {
			r.c.say("no system prompt")
		} else {
			r.c.say("%s", r.system)
		}
	case "-":
		r.system = ""
	default:
		r.system = args
	}
	return nil
}

func (r *repl) regen(ctx context.Context, _ string) error {
	n := len(r.messages)
	if n == 0 {
		return fmt.Errorf("/regen: there is no message to answer")
	}
	if r.options.Sampling.Greedy() || r.seeded {
		r.c.note("the same choice of tokens gives the same answer: /set temp or /set seed changes it")
	}
	old := r.messages
	r.messages = slices.Clone(old[:n-1])
	err := r.answer(ctx)
	if len(r.messages) < n { // no new answer: the old one stays
		r.messages = old
	}
	return err
}

func (r *repl) undo(context.Context, string) error {
	if len(r.messages) == 0 {
		return fmt.Errorf("/undo: the conversation is empty")
	}
	r.messages = r.messages[:len(r.messages)-2]
	return nil
}

func (r *repl) bye(context.Context, string) error { return errBye }

func (r *repl) stats(context.Context, string) error {
	w := r.c.err
	if s := r.last; s.Prompt > 0 {
		fmt.Fprintf(w, "last prompt   %s: %d reused from the cache, %d processed in %.2f s (%.0f tokens/s)\n",
			plural(s.Prompt, "token"), s.Cached, s.Prompt-s.Cached, s.PromptTime.Seconds(), promptRate(s))
		fmt.Fprintf(w, "last answer   %s in %.2f s (%.1f tokens/s); %s of %.1f tokens, %d forward passes\n",
			plural(s.Tokens, "token"), s.DecodeTime.Seconds(), decodeRate(s), plural(len(s.Accepted), "step"), tokensPerStep(s), s.Forwards)
	}
	fmt.Fprintf(w, "conversation  %s, %s of answers\n", plural(len(r.messages)/2, "turn"), plural(r.generated, "token"))
	mem := r.m.d.Memory()
	fmt.Fprintf(w, "context       %d of %d tokens cached; %s KV cache, %s activations\n",
		len(r.m.d.Cached()), r.m.d.Context(), bytesText(mem.Cache), bytesText(mem.Activations))
	return nil
}

// tooLong tells that a conversation of n tokens leaves no room for an answer.
func (r *repl) tooLong(n int) error {
	return fmt.Errorf("the conversation has %d tokens and the context %d: /undo or /clear, or start with a larger -c", n, r.m.d.Context())
}
