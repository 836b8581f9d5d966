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

// find returns the first of the added tokens in text, the longest of those that begin at the same place, and where it
// is. If there is none, start is len(text).
func (e *encoder) find(text string, special bool) (start, end int, id int32) {
	for start := range len(text) {
		for _, n := range slices.Backward(e.t.added[text[start]]) {
			if n > len(text)-start {
				continue
			}
			e.work++
			end := start + n
			if id, ok := e.t.ids[text[start:end]]; ok {
				if kind := e.t.kinds[id]; kind == UserDefined || kind == Control && special {
					return start, end, id
				}
			}
		}
	}
	return len(text), len(text), none
}
