package tokenizer

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	encoding "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/unicode/rangetable"
)

// The table is of Unicode 16.0, which has 141,028 letters, 1,911 numbers and 25 spaces. What Go's older version knows is
// in it.
func TestUnicode(t *testing.T) {
	classes, young := unicodeTables()
	count := map[class]int{}
	nine := rangetable.Assigned("9.0.0")
	for i, c := range classes {
		count[c]++
		r := rune(i)
		if young[r] && unicode.Is(nine, r) {
			t.Errorf("%U is of Unicode 9.0", r)
		}
		if unicode.Version >= "17" {
			continue
		}
		if got := classOf(r); got != other && got != c {
			t.Errorf("%U is of class %d, want %d", r, c, got)
		}
		p := norm.NFC.PropertiesString(string(r))
		if changes := !p.BoundaryBefore() || p.Decomposition() != nil; changes && !unicode.Is(nine, r) && !young[r] {
			t.Errorf("the reference's normalization leaves %U alone", r)
		}
	}
	if count[letter] != 141028 || count[number] != 1911 || count[space]+count[newline] != 25 {
		t.Errorf("got %d letters, %d numbers, %d spaces", count[letter], count[number], count[space]+count[newline])
	}
}

// split is the pre-tokenizer's pattern for Go's regexp, with \s+(?!\S) left out: of white space before other text it
// takes one character too many.
var split = regexp.MustCompile(`^(?:(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\x{B}\x{85}\p{Z}\p{L}\p{N}]+[\r\n]*|[\s\x{B}\x{85}\p{Z}]*[\r\n]+|[\s\x{B}\x{85}\p{Z}]+)`)

func FuzzSplit(f *testing.F) {
	tok, v := load(f, "qwen3")
	for _, c := range v.Encode {
		f.Add(c.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range text {
			if tok.classes[r] != classOf(r) {
				return // Go's Unicode is another one
			}
		}
		if !utf8.ValidString(text) {
			return
		}
		e := encoder{t: tok}
		for text != "" {
			want := split.FindString(text)
			last, n := utf8.DecodeLastRuneInString(want)
			if tok.classes[last] == space && n < len(want) && len(want) < len(text) {
				want = want[:len(want)-n]
			}
			if got := text[:e.next(text)]; got != want {
				t.Fatalf("%+q: got %+q, want %+q", text, got, want)
			}
			text = text[len(want):]
		}
	})
}

// classOf is the class by Go's tables.
func classOf(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case r == '\r' || r == '\n':
		return newline
	case unicode.IsSpace(r):
		return space
	}
	return other
}

func FuzzNormalize(f *testing.F) {
	tok, v := load(f, "qwen3")
	for _, c := range v.Encode {
		f.Add(c.Text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e := encoder{t: tok}
		text = toValid([]byte(text))
		got := e.normalize(text)
		if again := e.normalize(got); again != got {
			t.Errorf("%+q becomes %+q, then %+q", text, got, again)
		}
		for _, r := range text {
			if tok.young[r] {
				return
			}
		}
		// Norm puts U+034F into sequences of more than 30 combining characters.
		if want := norm.NFC.String(text); got != want && strings.Count(want, "\u034F") == strings.Count(text, "\u034F") {
			t.Errorf("%+q: got %+q, want %+q", text, got, want)
		}
	})
}

func FuzzEncode(f *testing.F) {
	tok, v := load(f, "demo")
	for _, c := range v.Encode {
		f.Add(c.Text)
	}
	f.Add("\xE2\x82<|im_end|>\xF0\x9F")
	f.Fuzz(func(t *testing.T, text string) { checkRoundTrip(t, tok, text) })
}

// checkRoundTrip tests that decoding gives the text back, as valid UTF-8 and normalized outside of added tokens.
func checkRoundTrip(t *testing.T, tok *Tokenizer, text string) {
	t.Helper()
	valid := toValid([]byte(text))
	for _, special := range []bool{false, true} {
		ids := tok.Encode(text, special)
		var want strings.Builder
		e := encoder{t: tok}
		for rest := valid; rest != ""; {
			_, start, end := e.find(rest, special)
			want.WriteString(e.normalize(rest[:start]) + rest[start:end])
			rest = rest[end:]
		}
		checkDecode(t, tok, ids, want.String())
		for _, id := range ids {
			if _, kind := tok.Token(id); kind != Normal && kind != UserDefined && !(special && kind == Control) {
				t.Errorf("Encode(%q, %v) has token %d of kind %d", text, special, id, kind)
			}
		}
	}
}

// The decoder of package encoding replaces maximal subparts too.
func FuzzDecode(f *testing.F) {
	tok, _ := load(f, "demo")
	f.Add([]byte("\xE2\x82\xAC\xF0\x9F"))
	f.Add([]byte("\xED\xA0\x80\xF4\x90\x80\x80\xC0\xAF"))
	f.Fuzz(func(t *testing.T, text []byte) {
		want, err := encoding.UTF8.NewDecoder().Bytes(text)
		if err != nil {
			t.Fatal(err)
		}
		var ids []int32
		for _, b := range text {
			ids = append(ids, tok.bytes[b])
		}
		checkDecode(t, tok, ids, string(want))
	})
}
