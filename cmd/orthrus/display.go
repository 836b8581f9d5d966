package main

import (
	"io"
	"strings"
)

// display writes an answer to standard output as it comes: on a terminal with
// its reasoning dimmed and control characters made harmless, elsewhere as it is.
type display struct {
	c    *console
	r    reasoning
	dim  bool
	last string // piece written, to end the last line
}

// newDisplay shows an answer to prompt.
func newDisplay(c *console, prompt string) *display {
	return &display{c: c, r: reasoning{open: strings.HasSuffix(strings.TrimRight(prompt, " \n"), thinkOpen)}}
}

func (d *display) show(piece string) error {
	thought, answer := d.r.add(piece)
	if err := d.write(thought, true); err != nil {
		return err
	}
	return d.write(answer, false)
}

func (d *display) write(s string, dim bool) error {
	if s == "" {
		return nil
	}
	d.last = s
	if d.c.outTerminal {
		s = printable(s)
		if d.c.color && dim != d.dim {
			mark := dimOff
			if dim {
				mark = dimOn
			}
			s, d.dim = mark+s, dim
		}
	}
	_, err := io.WriteString(d.c.out, s)
	return err
}

// end ends the last line of an answer: on a terminal, and in chat everywhere, so
// that answers do not run together.
func (d *display) end(chat bool) {
	if d.dim {
		io.WriteString(d.c.out, dimOff)
	}
	if (chat || d.c.outTerminal) && d.last != "" && !strings.HasSuffix(d.last, "\n") {
		io.WriteString(d.c.out, "\n")
	}
}
