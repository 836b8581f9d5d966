package tokenizer

import "slices"

// maxAdded is the greatest length of a control or user-defined token, in bytes. It bounds the time to look for them.
const maxAdded = 256

// noteAdded makes find look for a control or user-defined token.
func (t *Tokenizer) noteAdded(token string) {
	lengths := &t.added[token[0]]
	if i, ok := slices.BinarySearch(*lengths, len(token)); !ok {
		*lengths = slices.Insert(*lengths, i, len(token))
	}
}

// find returns the first of the added tokens in text, and where it is; of those that begin at the same place the
// longest. If there is none, id is none and start and end are len(text).
func (e *encoder) find(text string, special bool) (id int32, start, end int) {
	for start := range len(text) {
		rest := text[start:]
		for _, n := range slices.Backward(e.t.added[rest[0]]) {
			e.work++
			if n > len(rest) {
				continue
			}
			id, ok := e.t.ids[rest[:n]]
			if !ok {
				continue
			}
			if kind := e.t.kinds[id]; kind == UserDefined || kind == Control && special {
				return id, start, start + n
			}
		}
	}
	return none, len(text), len(text)
}
