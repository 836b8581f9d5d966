package tokenizer

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// normalize returns text, which is valid UTF-8, in Unicode's normalization form C (UAX #15).
//
// Package norm differs from the reference in two things: it breaks up sequences of more than 30 combining characters,
// and it knows characters that came after the reference's Unicode 9.0. Text that is normal to norm is so to the
// reference too; the segments that are not are normalized here, from norm's properties of single characters.
func (e *encoder) normalize(text string) string {
	n := norm.NFC.QuickSpanString(text)
	if n == len(text) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for n < len(text) {
		b.WriteString(text[:n])
		text = text[n:]
		n = segment(text)
		for _, r := range e.compose(text[:n]) {
			b.WriteRune(r)
		}
		text = text[n:]
		n = norm.NFC.QuickSpanString(text)
	}
	b.WriteString(text)
	return b.String()
}

// segment returns the length of the first character of text with all that may combine with it.
func segment(text string) int {
	n := norm.NFC.PropertiesString(text).Size()
	for n < len(text) {
		p := norm.NFC.PropertiesString(text[n:])
		if p.BoundaryBefore() {
			break
		}
		n += p.Size()
	}
	return n
}

// char is a character with its canonical combining class.
type char struct {
	rune  rune
	class uint8
	place int // in the text
}

// compose returns a segment in normalization form C.
func (e *encoder) compose(segment string) []rune {
	chars := e.decompose(segment)
	out := make([]rune, 0, len(chars))
	starter := -1    // in out
	last := uint8(0) // class of the last character of out, if that is not the starter
	for _, c := range chars {
		if starter >= 0 && (starter == len(out)-1 || last < c.class) {
			if r, ok := e.composition(out[starter], c.rune); ok {
				out[starter] = r
				continue
			}
		}
		if c.class == 0 {
			starter = len(out)
		}
		last = c.class
		out = append(out, c.rune)
	}
	return out
}

// decompose returns a segment in normalization form D.
func (e *encoder) decompose(segment string) []char {
	var chars []char
	for _, r := range segment {
		if e.t.young[r] {
			chars = append(chars, char{r, 0, len(chars)})
			continue
		}
		for _, r := range norm.NFD.String(string(r)) {
			class := norm.NFD.PropertiesString(string(r)).CCC()
			chars = append(chars, char{r, class, len(chars)})
		}
	}
	for from := 0; from < len(chars); {
		to := from + 1
		for to < len(chars) && chars[from].class > 0 && chars[to].class > 0 {
			to++
		}
		slices.SortFunc(chars[from:to], func(a, b char) int {
			e.work++
			return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.place, b.place))
		})
		from = to
	}
	e.work += len(chars)
	return chars
}

// composition returns the character that a and b compose to, if there is one.
func (e *encoder) composition(a, b rune) (rune, bool) {
	composed := []rune(norm.NFC.String(string([]rune{a, b})))
	return composed[0], len(composed) == 1 && !e.t.young[composed[0]]
}
