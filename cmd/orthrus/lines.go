package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ergochat/readline"
)

// errCtrlC is returned by a lineReader for Ctrl-C at the prompt.
var errCtrlC = errors.New("interrupt")

// A lineReader gives what a person types, line by line without the newline. At
// the end it returns io.EOF.
type lineReader interface {
	ReadLine(prompt string) (string, error)
	Close() error
}

// newLineReader edits lines on a terminal and takes them as they are elsewhere.
func newLineReader(c *console) (lineReader, error) {
	if !c.inTerminal || !c.errTerminal && !c.outTerminal {
		return &plainLines{r: bufio.NewReader(c.in)}, nil
	}
	return newTerminalLines(c)
}

// plainLines reads lines of a pipe or file.
type plainLines struct{ r *bufio.Reader }

func (p *plainLines) ReadLine(string) (string, error) {
	line, err := p.r.ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}

func (p *plainLines) Close() error { return nil }

// terminalLines reads lines with editing and history.
type terminalLines struct {
	rl  *readline.Instance
	out io.Writer
}

func newTerminalLines(c *console) (*terminalLines, error) {
	out := c.err
	if !c.errTerminal {
		out = c.out
	}
	rl, err := readline.NewFromConfig(&readline.Config{
		Stdin: &pasteReader{r: bufio.NewReader(c.in)}, Stdout: out, Stderr: out,
		HistoryFile: historyFile(), HistorySearchFold: true, Undo: true,
		Painter: func(line []rune, _ int) []rune {
			return []rune(strings.ReplaceAll(string(line), string(pastedNewline), "↵"))
		},
	})
	if err != nil {
		return nil, err
	}
	return &terminalLines{rl, out}, nil
}

// historyFile is where lines are kept from one chat to the next; empty if there
// is no such place. Others may not read it.
func historyFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	dir = filepath.Join(dir, "orthrus")
	if os.MkdirAll(dir, 0o700) != nil {
		return ""
	}
	path := filepath.Join(dir, "history")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return ""
	}
	f.Close()
	return path
}

func (t *terminalLines) ReadLine(prompt string) (string, error) {
	// Bracketed paste: the terminal marks what is pasted.
	io.WriteString(t.out, "\x1b[?2004h")
	defer io.WriteString(t.out, "\x1b[?2004l")
	t.rl.SetPrompt(prompt)
	line, err := t.rl.ReadLine()
	if errors.Is(err, readline.ErrInterrupt) {
		err = errCtrlC
	}
	return strings.ReplaceAll(line, string(pastedNewline), "\n"), err
}

func (t *terminalLines) Close() error { return t.rl.Close() }
