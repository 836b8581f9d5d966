package tokenizer

// Decode returns the text of tokens, with U+FFFD for what is not UTF-8. Control tokens give their own text; unused and
// unknown tokens give nothing.
func (t *Tokenizer) Decode(ids []int32) string {
	var text []byte
	for _, id := range ids {
		text = append(text, t.bytesOf(id)...)
	}
	return toValid(text)
}

// bytesOf returns what a token adds to decoded text.
func (t *Tokenizer) bytesOf(id int32) string {
	text, kind := t.Token(id)
	if kind == Unused {
		return ""
	}
	return text
}

// Stream decodes tokens as they come. All that Add and Flush return, joined, is what Decode returns for all the tokens.
type Stream struct {
	t       *Tokenizer
	pending []byte // the beginning of a character
}

// NewStream returns a stream before its first token.
func (t *Tokenizer) NewStream() *Stream { return &Stream{t: t} }

// Add returns the text up to the end of token id, without a last character that is incomplete.
func (s *Stream) Add(id int32) string {
	text := append(s.pending, s.t.bytesOf(id)...)
	n := len(text) - unfinished(text)
	s.pending = append([]byte(nil), text[n:]...)
	return toValid(text[:n])
}

// Flush ends the text: it returns U+FFFD for a last character that is incomplete, otherwise "".
func (s *Stream) Flush() string {
	text := toValid(s.pending)
	s.pending = nil
	return text
}
