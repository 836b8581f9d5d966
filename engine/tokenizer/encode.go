package tokenizer

import "unicode/utf8"

// Encode returns the tokens of text. User-defined tokens are found in it, and control tokens where special is set;
// otherwise the text of a control token is text like any other, so that nobody's words can end a turn. Bytes that are
// not UTF-8 are read as U+FFFD, as Decode writes them.
func (t *Tokenizer) Encode(text string, special bool) []int32 {
	e := encoder{t: t}
	e.encode(text, special)
	return e.ids
}

func (e *encoder) encode(text string, special bool) {
	if !utf8.ValidString(text) {
		text = string(appendValid(nil, text))
	}
	e.ids = make([]int32, 0, len(text)/4+1)
	for text != "" {
		start, end, id := e.find(text, special)
		e.text(text[:start])
		if id != none {
			e.ids = append(e.ids, id)
		}
		text = text[end:]
	}
}

// text appends the tokens of text between added tokens.
func (e *encoder) text(text string) {
	text = e.normalize(text)
	for text != "" {
		n := e.next(text)
		e.merge(text[:n])
		text = text[n:]
	}
}
