package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
)

// Exit statuses.
const (
	statusDone        = 0
	statusFailure     = 1
	statusUsage       = 2
	statusInterrupted = 130 // 128 + SIGINT, as shells have it
)

// usageError is a mistake in the arguments.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// errInterrupted ends a command whose output already tells that it was
// interrupted.
var errInterrupted = errors.New("interrupted")

// report prints an error as one line and returns the exit status it means.
func (c *console) report(err error) int {
	switch {
	case err == nil:
		return statusDone
	case errors.Is(err, errInterrupted):
		return statusInterrupted
	case errors.Is(err, context.Canceled):
		c.complain("interrupted")
		return statusInterrupted
	case errors.Is(err, syscall.EPIPE): // the reader has what it wanted
		return statusFailure
	}
	c.complain(message(err))
	if errors.As(err, new(usageError)) {
		return statusUsage
	}
	return statusFailure
}

func (c *console) complain(s string) {
	s = strings.ReplaceAll(strings.TrimSpace(s), "\r", "")
	fmt.Fprintln(c.err, "orthrus: "+printable(strings.ReplaceAll(s, "\n", "; ")))
}

// message is the text of an error, with an error of the operating system told
// as users know it: by the file, without the name of the call.
func message(err error) string {
	text := err.Error()
	var p *fs.PathError
	if errors.As(err, &p) {
		path := cmp.Or(p.Path, `""`)
		text = strings.Replace(text, p.Error(), path+": "+p.Err.Error(), 1)
	}
	return text
}
