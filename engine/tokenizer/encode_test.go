package tokenizer

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	encoding "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/unicode/norm"
	"golang.org/x/text/unicode/rangetable"
)

// The work for a text is proportional to its length, whatever the text, but for the logarithm of the length of its longest
// piece, the depth of the heap.
func TestLinear(t *testing.T) {
	const size = 1 << 18
	tok, v := load(t, "qwen3")
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(alphabet string) string {
		runes := []rune(alphabet)
		var b strings.Builder
		for b.Len() < size {
			b.WriteRune(runes[rng.IntN(len(runes))])
		}
		return b.String()
	}
	noise := make([]byte, size)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	var prose strings.Builder
	for _, c := range v.Encode {
		prose.WriteString(c.Text)
	}
	work := func(text string) float64 {
		e := encoder{t: tok}
		e.encode(text, true)
		return float64(e.work+e.queue.work) / float64(len(text))
	}
	unit := work(strings.Repeat(prose.String(), size/prose.Len()))
	t.Logf("cases: %.1f steps a byte", unit)
	texts := map[string]string{"noise": string(noise), "letters": random("abcdefghijklmnopqrstuvwxyz"), "marks": random("\u0300\u0316\u0334\u0345\u0591")}
	for _, s := range []string{"a", "A", " ", "7", "\n", "\r", " \n", "\n ", "  a", "\t!", "'", "'l", "<", "<|im_start|", "<|im_end|>", "=", "_a",
		"\U0001F600", "\x80", "\xE2\x82", "\u65E5", "\u0301", "\u0301\u0316", "e\u0301", "\u1112\u1161\u11AB", "\u00A0", "\u0085", "\u0898\u0301"} {
		texts[s] = strings.Repeat(s, size/len(s))
	}
	for name, text := range texts {
		if ratio := work(text) / unit; ratio > 20 {
			t.Errorf("%q takes %.1f times the steps of other text", name, ratio)
		}
	}
}

// Merges as they are defined: the pair of the lowest rank in the whole piece, the leftmost, one at a time.
func TestMerge(t *testing.T) {
	tok, v := load(t, "demo")
	rng := rand.New(rand.NewPCG(3, 4))
	e := encoder{t: tok}
	for range 2000 {
		var b strings.Builder
		for range 1 + rng.IntN(8) {
			left, right, _ := strings.Cut(v.Merges[rng.IntN(len(v.Merges))], " ")
			b.WriteString(string(unspell(nil, []string{left, right, left + right}[rng.IntN(3)])))
		}
		piece := b.String()
		var want []int32
		for i := range len(piece) {
			want = append(want, tok.bytes[piece[i]])
		}
		for {
			best, at := int32(len(tok.merged)), 0
			for i := range len(want) - 1 {
				if rank, ok := tok.ranks[pair{want[i], want[i+1]}]; ok && rank < best {
					best, at = rank, i
				}
			}
			if int(best) == len(tok.merged) {
				break
			}
			want = slices.Replace(want, at, at+2, tok.merged[best])
		}
		e.ids = nil
		if e.merge(piece); !slices.Equal(e.ids, want) {
			t.Fatalf("merge(%q)\n got %v\nwant %v", piece, e.ids, want)
		}
	}
}

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

func BenchmarkEncode(b *testing.B) {
	tok, v := load(b, "qwen3")
	var cases strings.Builder
	for _, c := range v.Encode {
		cases.WriteString(c.Text)
	}
	for name, text := range map[string]string{"cases": cases.String(), "letter": strings.Repeat("a", 1<<20), "spaces": strings.Repeat(" ", 1<<20)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(text, true)
			}
		})
	}
}
