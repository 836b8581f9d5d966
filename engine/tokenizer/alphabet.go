package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// The vocabulary and the merges spell every byte as one printable character, an alphabet that came with GPT-2:
// printable bytes of Latin-1 stand for themselves, the other 68 are numbered from U+0100 on.
var byteRune, runeByte = alphabet()

func alphabet() (byteRune [256]rune, runeByte map[rune]byte) {
	runeByte = make(map[rune]byte, 256)
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if printable := r >= '!' && r <= '~' || r >= 0xA1 && r <= 0xFF && r != 0xAD; !printable {
			r, next = next, next+1
		}
		byteRune[b], runeByte[r] = r, byte(b)
	}
	return byteRune, runeByte
}

// spell writes bytes in the alphabet.
func spell(text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteRune(byteRune[text[i]])
	}
	return b.String()
}

// unspell appends to dst the bytes that a word of the alphabet stands for. A word with any other character stands for
// itself, as in the reference's decoder.
func unspell(dst []byte, word string) []byte {
	start := len(dst)
	for _, r := range word {
		b, ok := runeByte[r]
		if !ok {
			return append(dst[:start], word...)
		}
		dst = append(dst, b)
	}
	return dst
}

// appendValid appends text to dst, with U+FFFD for what is not UTF-8: one for every longest sequence of bytes that
// begins a character and one for every other byte, as Python's errors="replace" and Rust's from_utf8_lossy have it
// (the Unicode Standard, section 3.9, "substitution of maximal subparts").
func appendValid(dst []byte, text string) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		if r != utf8.RuneError || n > 1 {
			dst = append(dst, text[:n]...)
		} else {
			for n < len(text) && !utf8.FullRuneInString(text[:n+1]) {
				n++
			}
			dst = utf8.AppendRune(dst, utf8.RuneError)
		}
		text = text[n:]
	}
	return dst
}
