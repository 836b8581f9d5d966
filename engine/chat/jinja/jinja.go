// Package jinja renders the part of Jinja in which chat templates are written,
// with the settings of HuggingFace's transformers: trim_blocks, lstrip_blocks,
// loop controls, immutable values, and tojson as Python's json.dumps.
//
// Statements: for (with else, if, unpacking, loop), break, continue, if, set
// (names, unpacking, namespace attributes, blocks), macro, filter, raw,
// generation, and comments. Expressions are all of Jinja's but *args, **kwargs
// and %-formatting. Filters, tests, methods and functions are those that
// published chat templates use. What is not there is an error of [Parse], as an
// unknown filter is in Jinja; an unknown method is one of Render.
//
// Known differences: tuples are lists, integers have 64 bits, filters that are
// generators in Python give lists, and no string is marked as safe, since
// nothing is escaped.
//
// Templates come from strangers. They reach nothing but the variables they are
// given: no file, no other template, no Go method. All they do is counted, in
// time as in memory, and stops at a limit that grows with the size of the
// variables, so that no template can hang, exhaust memory or overflow the
// stack.
//
// The language: https://jinja.palletsprojects.com/en/stable/templates/
package jinja

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Limits on what a template may do.
const (
	maxSource  = 1 << 20  // bytes of a template
	maxNesting = 200      // expressions and statements inside each other
	maxDepth   = 200      // macro calls and values inside each other
	baseWork   = 32 << 20 // units of work of one rendering...
	inputWork  = 64       // ...and more for every unit of its variables
)

// Units of work: a byte made or looked at is one.
const (
	nodeWork    = 4   // an expression or statement
	elementWork = 16  // an element of a list
	pairWork    = 64  // a key and value of a dictionary
	scopeWork   = 256 // a set of variables
)

// An Error says why a template cannot be parsed or rendered.
type Error struct {
	Line    int // in the template, from 1
	Message string
}

// Error is one line of printable characters, whatever the template put into the
// message.
func (e *Error) Error() string {
	message := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, e.Message)
	return fmt.Sprintf("line %d: %.500s", e.Line, message)
}

// caught stores an Error that was thrown as a panic.
func caught(err *error) {
	switch r := recover().(type) {
	case nil:
	case *Error:
		*err = r
	default:
		panic(r)
	}
}

// A Template is a parsed template. It may be rendered by several goroutines at
// once.
type Template struct {
	body []stmt
}

// Parse parses a template. The error is an [*Error].
func Parse(source string) (t *Template, err error) {
	defer caught(&err)
	if len(source) > maxSource {
		panic(&Error{1, fmt.Sprintf("the template has %d bytes, more than %d", len(source), maxSource)})
	}
	p := parser{tokens: lex(source)}
	return &Template{body: p.statements("the template")}, nil
}

// Render renders the template with variables, none of which it changes. The
// function strftime_now tells the time now. The error is an [*Error]: of the
// template's own raise_exception, of an operation that Jinja refuses, or of a
// limit.
func (t *Template) Render(variables map[string]Value, now time.Time) (text string, err error) {
	defer caught(&err)
	s := &state{line: 1, now: now, left: baseWork}
	root := newScope(nil)
	for name, f := range functions {
		root.set(name, f)
	}
	for name, v := range variables {
		s.left += inputWork * size(v)
		root.set(name, v)
	}
	return s.capture(func() { s.run(t.body, newScope(root)) }), nil
}

// A state is one rendering.
type state struct {
	out   builder
	line  int // of the statement that runs
	left  int // units of work
	depth int // macro calls and values inside each other
	now   time.Time
}

func (s *state) fail(format string, args ...any) {
	panic(&Error{s.line, fmt.Sprintf(format, args...)})
}

// work counts units of work before they are done.
func (s *state) work(units int) {
	if units > s.left {
		s.fail("the template does too much work")
	}
	s.left -= units
}

// enter goes one macro call or one value deeper; the caller defers leave.
func (s *state) enter() {
	if s.depth++; s.depth > maxDepth {
		s.fail("macros or values are nested more than %d deep", maxDepth)
	}
}

func (s *state) leave() { s.depth-- }

// capture returns what f prints.
func (s *state) capture(f func()) string {
	outer := s.out
	s.out = builder{state: s}
	f()
	text := s.out.String()
	s.out = outer
	return text
}
