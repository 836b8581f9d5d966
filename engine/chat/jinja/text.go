package jinja

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// isSpace is Python's str.isspace.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// str reads a string literal, with the escapes of Python's.
func (l *lexer) str(quote byte) {
	rest := l.rest()
	end := 1
	for end < len(rest) && rest[end] != quote {
		if rest[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(rest) {
		l.fail("the string is not closed by %c", quote)
	}
	l.emit(kindString, unescape(rest[1:end]))
	l.skip(end + 1)
}

var escapes = map[byte]string{'\\': "\\", '\'': "'", '"': "\"", '\n': "", 'a': "\a", 'b': "\b", 'f': "\f",
	'n': "\n", 'r': "\r", 't': "\t", 'v': "\v"}

// unescape replaces Python's escapes but those of names and octal numbers. A
// backslash that starts none stays.
func unescape(s string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 == len(s) {
			return b.String() + s
		}
		b.WriteString(s[:i])
		c := s[i+1]
		s = s[i+2:]
		if text, ok := escapes[c]; ok {
			b.WriteString(text)
			continue
		}
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		if digits > 0 && len(s) >= digits {
			if r, err := strconv.ParseUint(s[:digits], 16, 32); err == nil {
				b.WriteRune(rune(r))
				s = s[digits:]
				continue
			}
		}
		b.WriteByte('\\')
		b.WriteByte(c)
	}
}

// A builder builds a string and counts its bytes as work.
type builder struct {
	strings.Builder
	state *state
}

func (b *builder) add(text string) {
	b.state.work(len(text))
	b.WriteString(text)
}

// repr adds a string as Python's repr writes it.
func (b *builder) repr(s string) {
	quote := "'"
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = `"`
	}
	b.add(quote)
	for _, r := range s {
		switch {
		case r == '\\' || string(r) == quote:
			b.add(`\` + string(r))
		case r == '\n':
			b.add(`\n`)
		case r == '\r':
			b.add(`\r`)
		case r == '\t':
			b.add(`\t`)
		case unicode.IsPrint(r):
			b.add(string(r))
		case r < 0x100:
			b.add(`\x` + hex(r, 2))
		case r < 0x10000:
			b.add(`\u` + hex(r, 4))
		default:
			b.add(`\U` + hex(r, 8))
		}
	}
	b.add(quote)
}

func hex(r rune, digits int) string {
	s := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", digits-len(s)) + s
}

// floatText writes a number as Python's repr does.
func floatText(f float64) string {
	s := strconv.FormatFloat(f, 'e', -1, 64)
	_, exponent, found := strings.Cut(s, "e")
	if !found {
		return strings.ToLower(strings.TrimPrefix(s, "+")) // inf, -inf, nan
	}
	if e, _ := strconv.Atoi(exponent); e < -4 || e >= 16 {
		return s
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// runeLen is the length of a string as Python counts it.
func runeLen(s string) int { return utf8.RuneCountInString(s) }
