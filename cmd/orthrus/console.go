package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"github.com/mattn/go-isatty"
)

// console is what a command talks to. Generated text and results go to out;
// progress, statistics, notes and errors to err.
type console struct {
	in       io.Reader
	out, err io.Writer

	// Which of the three a person is at.
	inTerminal, outTerminal, errTerminal bool

	color bool // terminals take escape sequences
}

func standardStreams() *console {
	c := &console{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		inTerminal: isTerminal(os.Stdin), outTerminal: isTerminal(os.Stdout), errTerminal: isTerminal(os.Stderr),
	}
	// https://no-color.org
	c.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		if isTerminal(f) && !enableEscapes(f) {
			c.color = false
		}
	}
	return c
}

func isTerminal(f *os.File) bool {
	return isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd())
}

// maxText bounds what is read of a text file or of standard input, in bytes.
const maxText = 64 << 20

// readText reads a text file, or standard input for "-".
func (c *console) readText(path string) (string, error) {
	in, name := c.in, "standard input"
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return "", err
		}
		defer file.Close()
		in, name = file, path
	}
	data, err := io.ReadAll(io.LimitReader(in, maxText+1))
	if err == nil && len(data) > maxText {
		err = fmt.Errorf("%s: larger than %s", name, bytesText(maxText))
	}
	return string(data), err
}

const (
	dimOn  = "\x1b[2m"
	dimOff = "\x1b[0m"
)

// note tells a person something in passing; a log or a script is not told.
func (c *console) note(format string, args ...any) {
	if c.errTerminal {
		c.say(format, args...)
	}
}

// say writes a line to standard error, dimmed on a terminal.
func (c *console) say(format string, args ...any) {
	s := printable(fmt.Sprintf(format, args...))
	if c.errTerminal && c.color {
		s = dimOn + s + dimOff
	}
	fmt.Fprintln(c.err, s)
}

// status shows what is being done, on one line that the next status replaces
// and an empty one removes.
func (c *console) status(format string, args ...any) {
	if c.errTerminal && c.color {
		fmt.Fprint(c.err, "\r\x1b[K"+dimOn+printable(fmt.Sprintf(format, args...))+dimOff)
	}
}

// printable replaces control characters, which in a stranger's file may be
// commands to the terminal, by the pictures Unicode has for them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r' || !unicode.IsControl(r):
			return r
		case r < 0x20:
			return 0x2400 + r
		}
		return unicode.ReplacementChar
	}, s)
}
