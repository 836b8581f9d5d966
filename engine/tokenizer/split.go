package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// next returns the length of the first pre-token of text, which is valid UTF-8 and not empty. It is Qwen2's pattern
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
//
// without backtracking: the alternatives in their order, each a few spans.
func (e *encoder) next(text string) int {
	if n := contraction(text); n > 0 {
		return n
	}
	first, width := utf8.DecodeRuneInString(text)
	class := e.t.classes[first]

	// [^\r\n\p{L}\p{N}]?\p{L}+
	lead := 0
	if class == space || class == other {
		lead = width
	}
	if n := e.span(text[lead:], letter); n > 0 {
		return lead + n
	}

	// \p{N}
	if class == number {
		return width
	}

	//  ?[^\s\p{L}\p{N}]+[\r\n]*
	lead = 0
	if first == ' ' {
		lead = 1
	}
	if n := e.span(text[lead:], other); n > 0 {
		n += lead
		return n + e.span(text[n:], newline)
	}

	// \s*[\r\n]+ ends behind the last newline of the white space; \s+(?!\S) leaves the last character to the text that
	// follows; \s+ takes what is left, a single character.
	white := text[:e.span(text, space|newline)]
	if i := strings.LastIndexAny(white, "\r\n"); i >= 0 {
		return i + 1
	}
	_, last := utf8.DecodeLastRuneInString(white)
	if len(white) == len(text) || len(white) == last {
		return len(white)
	}
	return len(white) - last
}

// contraction returns the length of the English contraction that text begins with, in any case, or 0. U+017F, the long
// s, is an s to a case-insensitive pattern.
func contraction(text string) int {
	if len(text) < 2 || text[0] != '\'' {
		return 0
	}
	const toLower = 'a' - 'A'
	var second byte
	switch text[1] | toLower {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		second = 'e'
	case 'l':
		second = 'l'
	default:
		if strings.HasPrefix(text, "'\u017F") {
			return len("'\u017F")
		}
		return 0
	}
	if len(text) > 2 && text[2]|toLower == second {
		return 3
	}
	return 0
}

// span returns the length of the longest prefix of text whose characters are all in set.
func (e *encoder) span(text string, set class) int {
	for i, r := range text {
		if e.t.classes[r]&set == 0 {
			e.work += i + 1
			return i
		}
	}
	e.work += len(text)
	return len(text)
}
