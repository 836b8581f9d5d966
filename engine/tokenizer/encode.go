package tokenizer

import "unicode/utf8"

// Encode returns the tokens of text. User-defined tokens are found in it, and control tokens where special is set;
// otherwise the text of a control token is text like any other, so that nobody's words can end a turn. Bytes that are
// not UTF-8 are read as U+FFFD, as Decode writes them.
func (t *Tokenizer) Encode(text string, special bool) []int32 {
	e := newEncoder(t)
	e.encode(text, special)
	return e.ids
}

// encoder is the state of one call of Encode.
type encoder struct {
	t       *Tokenizer
	ids     []int32 // the result
	symbols []symbol
	seen    [4096]seen // by a hash of the pair
	queue   queue
	work    int // steps of the loops here, so that tests can tell linear from quadratic
}

func newEncoder(t *Tokenizer) *encoder {
	e := &encoder{t: t}
	e.seen[0].left = none // the zero value is of the pair {0, 0}, which belongs here
	return e
}

func (e *encoder) encode(text string, special bool) {
	if !utf8.ValidString(text) {
		text = toValid([]byte(text))
	}
	e.ids = make([]int32, 0, len(text)/4+1)
	for text != "" {
		id, start, end := e.find(text, special)
		e.between(text[:start])
		if id != none {
			e.ids = append(e.ids, id)
		}
		text = text[end:]
	}
}

// between appends the tokens of text between added tokens.
func (e *encoder) between(text string) {
	text = e.normalize(text)
	for text != "" {
		n := e.next(text)
		e.merge(text[:n])
		text = text[n:]
	}
}
