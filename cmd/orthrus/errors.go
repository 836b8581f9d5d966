package main

import (
	"context"
	"errors"
	"fmt"
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
	line := func(s string) {
		s = strings.ReplaceAll(strings.TrimSpace(s), "\r", "")
		fmt.Fprintln(c.err, "orthrus: "+printable(strings.ReplaceAll(s, "\n", "; ")))
	}
	switch {
	case err == nil:
		return statusDone
	case errors.Is(err, errInterrupted):
		return statusInterrupted
	case errors.Is(err, context.Canceled):
		line("interrupted")
		return statusInterrupted
	case errors.Is(err, syscall.EPIPE): // the reader has what it wanted
		return statusFailure
	case errors.As(err, new(usageError)):
		line(err.Error())
		return statusUsage
	}
	line(err.Error())
	return statusFailure
}
