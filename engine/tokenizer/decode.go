package tokenizer

import (
	"unicode/utf8"
)

// Decode returns the text of tokens, with U+FFFD for what is not UTF-8. Control tokens give their own text; unused and
// unknown tokens give nothing.
func (t *Tokenizer) Decode(ids []int32) string {
	s := t.NewStream()
	for _, id := range ids {
		s.pending = append(s.pending, t.text(id)...)
	}
	return s.Flush()
}

// text returns the bytes that a token adds to decoded text.
func (t *Tokenizer) text(id int32) string {
	text, kind := t.Token(id)
	if kind == Unused {
		return ""
	}
	return text
}

// Stream decodes tokens as they come. All that Add and Flush return, joined, is what Decode returns for all tokens.
type Stream struct {
	t       *Tokenizer
	pending []byte // of Add, the beginning of a character: at most three bytes
}

// NewStream returns a stream before its first token.
func (t *Tokenizer) NewStream() *Stream { return &Stream{t: t} }

// Add returns the text that token id completes: whole characters, "" if it ends within the first.
func (s *Stream) Add(id int32) string {
	s.pending = append(s.pending, s.t.text(id)...)
	return s.take(len(s.pending) - unfinished(s.pending))
}

// Flush returns the rest at the end of the text: U+FFFD if its last character is incomplete, otherwise "".
func (s *Stream) Flush() string { return s.take(len(s.pending)) }

// take returns the first n pending bytes as valid UTF-8.
func (s *Stream) take(n int) string {
	text := appendValid(nil, string(s.pending[:n]))
	s.pending = append(s.pending[:0], s.pending[n:]...)
	return string(text)
}

// unfinished returns how many bytes at the end of text begin a character that more bytes could complete.
func unfinished(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		tail := text[len(text)-n:]
		if utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
