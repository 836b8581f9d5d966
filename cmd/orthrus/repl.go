package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"orthrus/engine"
	"orthrus/engine/chat"
)

// repl is one conversation with a model.
type repl struct {
	c     *console
	m     *model
	lines lineReader

	system   string
	messages []chat.Message // without the system prompt
	think    *bool
	stops    []string
	options  engine.GenerateOptions
	seeded   bool // every answer uses the same seed; else each gets a new one

	last      engine.Stats // of the last answer
	generated int          // tokens of all answers
	ahead     *readAhead   // nil while nothing is read ahead
}

func newREPL(c *console, m *model, f *runFlags, lines lineReader) *repl {
	r := &repl{
		c: c, m: m, lines: lines,
		system: f.template.system, think: f.template.thinking(m.demo), stops: f.stops,
		options: f.decode.options(), seeded: f.sampling.seeded(),
	}
	r.options.Sampling = f.sampling.options(m.weights.Sampling)
	return r
}

// errBye leaves the conversation.
var errBye = errors.New("bye")

// run reads and answers until the person leaves. Only what makes it impossible
// to go on is returned: a closed output, say.
func (r *repl) run(ctx context.Context) error {
	defer r.stopReading()
	for {
		message, err := r.read()
		switch {
		case err == io.EOF:
			return nil
		case errors.Is(err, errCtrlC):
			r.c.note("Ctrl-D or /bye leaves")
			continue
		case err != nil:
			return err
		}
		if name, args, ok := command(message); ok {
			err = r.obey(ctx, name, args)
		} else if strings.TrimSpace(message) != "" {
			err = r.say(ctx, strings.TrimRight(message, "\n"))
		}
		var out outputError
		switch {
		case errors.Is(err, errBye):
			return nil
		case errors.As(err, &out):
			return out.error
		case err != nil:
			r.c.report(err)
		}
	}
}

// outputError is a failure to write to standard output.
type outputError struct{ error }

const (
	promptFirst = ">>> "
	promptMore  = "... "
	blockMark   = `"""`
)

// read returns one message: a line, lines joined by trailing backslashes, or
// the lines between two """.
func (r *repl) read() (string, error) {
	line, err := r.lines.ReadLine(promptFirst)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if rest, ok := strings.CutPrefix(strings.TrimLeft(line, " \t"), blockMark); ok {
		for {
			if text, end := strings.CutSuffix(strings.TrimRight(rest, " \t"), blockMark); end {
				b.WriteString(text)
				return strings.Trim(b.String(), "\n"), nil
			}
			b.WriteString(rest + "\n")
			if rest, err = r.more(); err != nil {
				return "", err
			}
		}
	}
	for {
		text, goesOn := strings.CutSuffix(line, `\`)
		b.WriteString(text)
		if !goesOn {
			return b.String(), nil
		}
		b.WriteByte('\n')
		if line, err = r.more(); err != nil {
			return "", err
		}
	}
}

// more reads a further line of a message; an input that ends there is an error.
func (r *repl) more() (string, error) {
	line, err := r.lines.ReadLine(promptMore)
	if err == io.EOF {
		err = errors.New("the input ends inside a message")
	}
	return line, err
}

// say adds a message to the conversation and answers it.
func (r *repl) say(ctx context.Context, message string) error {
	r.messages = append(r.messages, chat.Message{Role: "user", Content: message})
	return r.answer(ctx)
}

// answer answers the last message. Without an answer the message is taken back.
func (r *repl) answer(ctx context.Context) error {
	r.stopReading()
	said := false
	defer func() {
		if !said {
			r.messages = r.messages[:len(r.messages)-1]
		}
	}()
	text, err := r.m.render(r.conversation(), r.think)
	if err != nil {
		return err
	}
	prompt := r.m.tok.Encode(text, true)
	if len(prompt) >= r.m.d.Context() {
		return r.tooLong(len(prompt))
	}
	if !r.seeded {
		r.options.Sampling.Seed = randomSeed()
	}
	ctx, stop := r.c.interruptible(ctx)
	screen := newDisplay(r.c, text)
	a, err := r.m.generate(ctx, prompt, r.options, r.stops, func(piece string) error {
		if err := screen.show(piece); err != nil {
			return outputError{err}
		}
		return nil
	})
	stop()
	screen.end(true)
	if err != nil {
		return err
	}
	r.last = a.stats
	r.generated += a.stats.Tokens
	r.c.note("%s", r.m.summary(a.stats, r.options))
	if said = a.text != ""; said {
		r.messages = append(r.messages, r.m.template.Reply(a.text))
		r.readAhead()
	}
	return nil
}

// conversation is what the template is given.
func (r *repl) conversation() []chat.Message {
	var system []chat.Message
	if r.system != "" {
		system = []chat.Message{{Role: "system", Content: r.system}}
	}
	return slices.Concat(system, r.messages)
}
