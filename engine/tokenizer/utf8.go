package tokenizer

import "unicode/utf8"

// toValid returns text with U+FFFD for what is not UTF-8: one for every longest sequence of bytes that begins a
// character, and one for every other byte. Python's errors="replace" and Rust's from_utf8_lossy do the same (the
// Unicode Standard, section 3.9: substitution of maximal subparts).
func toValid(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	valid := make([]byte, 0, len(text)+len(text)/2)
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			for n < len(text) && !utf8.FullRune(text[:n+1]) {
				n++
			}
		}
		valid = utf8.AppendRune(valid, r)
		text = text[n:]
	}
	return string(valid)
}

// unfinished returns how many bytes at the end of text begin a character that more bytes could complete.
func unfinished(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		tail := text[len(text)-n:]
		if !utf8.RuneStart(tail[0]) {
			continue
		}
		if utf8.FullRune(tail) {
			return 0
		}
		return n
	}
	return 0
}
