package tokenizer

import (
	_ "embed"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// class is what the pre-tokenizer knows of a character. The values are bits, so that sets of classes are sums.
type class uint8

const (
	letter  class = 1 << iota // \p{L}
	number                    // \p{N}
	newline                   // [\r\n]
	space                     // \s without newline
	other
)

// The reference's version of Unicode decides how text is split, not Go's: a new Go release must not change tokens.
//
//go:embed unicode.txt
var unicodeData string

// unicodeTables returns the class of every code point, and the characters that the reference's NFC, being of Unicode
// 9.0, passes through.
var unicodeTables = sync.OnceValues(func() (classes []class, young map[rune]bool) {
	classes = make([]class, unicode.MaxRune+1)
	for i := range classes {
		classes[i] = other
	}
	young = make(map[rune]bool)
	for line := range strings.Lines(unicodeData) {
		kind, ranges, _ := strings.Cut(line, " ")
		if kind == "#" {
			continue
		}
		for _, field := range strings.Fields(ranges) {
			first, last := parseRange(field)
			for r := first; r <= last; r++ {
				switch kind {
				case "L":
					classes[r] = letter
				case "N":
					classes[r] = number
				case "S":
					classes[r] = space
				case "M":
					young[r] = true
				}
			}
		}
	}
	classes['\r'], classes['\n'] = newline, newline
	return classes, young
})

// parseRange reads "41-5a" or "aa".
func parseRange(field string) (first, last rune) {
	from, to, ok := strings.Cut(field, "-")
	if !ok {
		to = from
	}
	return parseRune(from), parseRune(to)
}

func parseRune(hex string) rune {
	r, err := strconv.ParseUint(hex, 16, 21)
	if err != nil {
		panic("unicode.txt: " + err.Error()) // our own file
	}
	return rune(r)
}
