package tokenizer

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
