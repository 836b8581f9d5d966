package jinja

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind byte

const (
	kindEOF kind = iota
	kindData
	kindOpen  // {{
	kindClose // }}
	kindBegin // {%
	kindEnd   // %}
	kindName
	kindString
	kindInteger
	kindFloat
	kindOperator
)

// A token of a template. The text of a string is its value.
type token struct {
	kind kind
	text string
	line int
}

func (t token) is(k kind, text string) bool { return t.kind == k && t.text == text }

func (t token) String() string {
	switch t.kind {
	case kindEOF:
		return "the end of the template"
	case kindClose:
		return "}}"
	case kindEnd:
		return "%}"
	}
	return fmt.Sprintf("%.40q", t.text)
}

// A lexer cuts a template into tokens, and applies its whitespace control: a
// tag's own "-" and "+", the newline after a block that trim_blocks drops, and
// the spaces before a block that lstrip_blocks drops.
type lexer struct {
	source string
	pos    int
	line   int
	tokens []token
}

func lex(source string) []token {
	source = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(source)
	l := lexer{source: strings.TrimSuffix(source, "\n"), line: 1}
	for l.text() {
	}
	l.emit(kindEOF, "")
	return l.tokens
}

func (l *lexer) fail(format string, args ...any) {
	panic(&Error{l.line, fmt.Sprintf(format, args...)})
}

func (l *lexer) emit(k kind, text string) {
	l.tokens = append(l.tokens, token{k, text, l.line})
}

func (l *lexer) rest() string { return l.source[l.pos:] }

func (l *lexer) skip(n int) {
	l.line += strings.Count(l.source[l.pos:l.pos+n], "\n")
	l.pos += n
}

func (l *lexer) skipSpace() {
	l.skip(len(l.rest()) - len(strings.TrimLeftFunc(l.rest(), isSpace)))
}

// text reads text up to the next tag, and the tag; it is false at the end.
func (l *lexer) text() bool {
	start := indexTag(l.source, l.pos)
	if start < 0 {
		l.data(len(l.source), 0, false)
		return false
	}
	var sign byte
	if start+2 < len(l.source) && strings.IndexByte("+-", l.source[start+2]) >= 0 {
		sign = l.source[start+2]
	}
	tag := l.source[start+1]
	l.data(start, sign, tag != '{')
	l.skip(2)
	if sign != 0 {
		l.skip(1)
	}
	switch tag {
	case '#':
		l.comment()
	case '{':
		l.emit(kindOpen, "{{")
		l.tag("}}")
		l.emit(kindClose, "}}")
	case '%':
		l.emit(kindBegin, "{%")
		l.tag("%}")
		l.emit(kindEnd, "%}")
		if n := len(l.tokens); l.tokens[n-2].is(kindName, "raw") && l.tokens[n-3].kind == kindBegin {
			l.tokens = l.tokens[:n-3]
			l.raw()
		}
	}
	return true
}

func indexTag(s string, from int) int {
	for i := from; i < len(s)-1; i++ {
		n := strings.IndexByte(s[i:len(s)-1], '{')
		if n < 0 {
			break
		}
		i += n
		if strings.IndexByte("{%#", s[i+1]) >= 0 {
			return i
		}
	}
	return -1
}

// data emits the text up to a tag with the given sign.
func (l *lexer) data(end int, sign byte, block bool) {
	text := l.source[l.pos:end]
	if sign == '-' {
		text = strings.TrimRightFunc(text, isSpace)
	} else if sign != '+' && block {
		line := strings.LastIndexByte(text, '\n') + 1
		starts := line > 0 || l.pos == 0 || l.source[l.pos-1] == '\n'
		if starts && strings.TrimLeftFunc(text[line:], isSpace) == "" {
			text = text[:line]
		}
	}
	if text != "" {
		l.emit(kindData, text)
	}
	l.skip(end - l.pos)
}

func (l *lexer) comment() {
	n := strings.Index(l.rest(), "#}")
	if n < 0 {
		l.fail("the comment is not closed by #}")
	}
	if n > 0 && strings.IndexByte("+-", l.source[l.pos+n-1]) >= 0 {
		n--
	}
	l.skip(n)
	l.close("#}")
}

// close reads the end of a tag, if it is one, and the space that it drops.
func (l *lexer) close(end string) bool {
	switch rest := l.rest(); {
	case strings.HasPrefix(rest, "-"+end):
		l.skip(1 + len(end))
		l.skipSpace()
	case strings.HasPrefix(rest, "+"+end) && end != "}}":
		l.skip(1 + len(end))
	case strings.HasPrefix(rest, end):
		l.skip(len(end))
		if end != "}}" && strings.HasPrefix(l.rest(), "\n") {
			l.skip(1)
		}
	default:
		return false
	}
	return true
}

// raw reads the text up to endraw, whose tags mean nothing.
func (l *lexer) raw() {
	for start := l.pos; ; start++ {
		n := strings.Index(l.source[start:], "{%")
		if n < 0 {
			l.fail("the statement raw is not closed by endraw")
		}
		start += n
		tag := l.source[start+2:]
		var sign byte
		if tag != "" && strings.IndexByte("+-", tag[0]) >= 0 {
			sign, tag = tag[0], tag[1:]
		}
		tag, found := strings.CutPrefix(strings.TrimLeftFunc(tag, isSpace), "endraw")
		if !found {
			continue
		}
		end := lexer{source: l.source, pos: len(l.source) - len(tag)}
		if end.skipSpace(); end.close("%}") {
			l.data(start, sign, true)
			l.skip(end.pos - start)
			return
		}
	}
}

var operators = []string{"**", "//", "==", "!=", "<=", ">=",
	"+", "-", "*", "/", "%", "~", "|", ".", ",", ":", "(", ")", "[", "]", "{", "}", "<", ">", "="}

// tag reads the tokens of a tag up to its end, which does not count inside
// brackets.
func (l *lexer) tag(end string) {
	var brackets []string // the closing ones that are due
	for {
		l.skipSpace()
		if len(brackets) == 0 && l.close(end) {
			return
		}
		rest := l.rest()
		c, _ := utf8.DecodeRuneInString(rest)
		switch {
		case rest == "":
			l.fail("the tag is not closed by %s", end)
		case c == '"' || c == '\'':
			l.str(byte(c))
		case c >= '0' && c <= '9':
			l.number()
		case isNameRune(c):
			n := strings.IndexFunc(rest, func(r rune) bool { return !isNameRune(r) })
			if n < 0 {
				n = len(rest)
			}
			l.emit(kindName, rest[:n])
			l.skip(n)
		default:
			op := l.operator()
			switch op {
			case "(":
				brackets = append(brackets, ")")
			case "[":
				brackets = append(brackets, "]")
			case "{":
				brackets = append(brackets, "}")
			case ")", "]", "}":
				if len(brackets) == 0 || brackets[len(brackets)-1] != op {
					l.fail("unexpected %s", op)
				}
				brackets = brackets[:len(brackets)-1]
			}
		}
	}
}

func isNameRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func (l *lexer) operator() string {
	for _, op := range operators {
		if strings.HasPrefix(l.rest(), op) {
			l.emit(kindOperator, op)
			l.skip(len(op))
			return op
		}
	}
	l.fail("unexpected %.10q", l.rest())
	return ""
}

// number reads digits, a fraction and an exponent; after a dot only digits,
// which index.
func (l *lexer) number() {
	rest := l.rest()
	digits := func(from int) int {
		i := from
		for i < len(rest) && (rest[i] >= '0' && rest[i] <= '9' || rest[i] == '_' && i > from) {
			i++
		}
		return i
	}
	n, k := digits(0), kindInteger
	if last := l.tokens[len(l.tokens)-1]; !last.is(kindOperator, ".") {
		if n < len(rest) && rest[n] == '.' && digits(n+1) > n+1 {
			n, k = digits(n+1), kindFloat
		}
		if n < len(rest) && rest[n]|0x20 == 'e' {
			from := n + 1
			if from < len(rest) && strings.IndexByte("+-", rest[from]) >= 0 {
				from++
			}
			if end := digits(from); end > from {
				n, k = end, kindFloat
			}
		}
	}
	l.emit(k, strings.ReplaceAll(rest[:n], "_", ""))
	l.skip(n)
}
