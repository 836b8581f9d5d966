package tokenizer

import "sort"

// maxAdded is the greatest length of a control or user-defined token, in bytes. It bounds the time to look for them.
const maxAdded = 256

// find returns the first of the added tokens in text, and where it is; of those that begin at the same place the
// longest. If there is none, id is none and start and end are len(text).
func (e *encoder) find(text string, special bool) (id int32, start, end int) {
	for start := range len(text) {
		if tokens := e.t.added[text[start]]; len(tokens) > 0 {
			if id, n := e.longest(tokens, text[start:], special); n > 0 {
				return id, start, start + n
			}
		}
	}
	return none, len(text), len(text)
}

// longest returns the longest token that text begins with, and its length, or 0. The tokens are sorted and begin with the
// same byte as text.
func (e *encoder) longest(tokens []string, text string, special bool) (id int32, length int) {
	for n := 1; len(tokens) > 0; n++ {
		e.work++
		// All tokens here begin with text[:n], and if one is no longer, it is the first.
		if len(tokens[0]) == n {
			found := e.t.ids[tokens[0]]
			if special || e.t.kinds[found] == UserDefined {
				id, length = found, n
			}
			tokens = tokens[1:]
		}
		if n == len(text) {
			break
		}
		from := sort.Search(len(tokens), func(i int) bool { return tokens[i][n] >= text[n] })
		to := sort.Search(len(tokens), func(i int) bool { return tokens[i][n] > text[n] })
		tokens = tokens[from:to]
	}
	return id, length
}
