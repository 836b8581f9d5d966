package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// checkMerge holds merge against its definition: the pair of the lowest rank in the whole piece, the leftmost, one at a
// time. It tells whether a merge made a pair of a lower rank than its own, as in vocabularies that no training gives.
func checkMerge(t *testing.T, e *encoder, piece string) (fell bool) {
	t.Helper()
	var want []int32
	for i := range len(piece) {
		want = append(want, e.t.bytes[piece[i]])
	}
	for last := int32(0); ; {
		best, at := int32(len(e.t.merged)), 0
		for i := range len(want) - 1 {
			if rank, ok := e.t.ranks[pair{want[i], want[i+1]}]; ok && rank < best {
				best, at = rank, i
			}
		}
		if int(best) == len(e.t.merged) {
			break
		}
		fell = fell || best < last
		last = best
		want = slices.Replace(want, at, at+2, e.t.merged[best])
	}
	e.ids = nil
	if e.merge(piece); !slices.Equal(e.ids, want) {
		t.Fatalf("merge(%q)\n got %v\nwant %v\nranks %v", piece, e.ids, want, e.t.ranks)
	}
	return fell
}

func TestMerge(t *testing.T) {
	tok, v := load(t, "demo")
	rng := rand.New(rand.NewPCG(3, 4))
	e := newEncoder(tok)
	for range 2000 {
		var b strings.Builder
		for range 1 + rng.IntN(8) {
			left, right, _ := strings.Cut(v.Merges[rng.IntN(len(v.Merges))], " ")
			word := string(unspell(nil, []string{left, right, left + right}[rng.IntN(3)]))
			b.WriteString(strings.Repeat(word, 1+rng.IntN(3)))
		}
		checkMerge(t, e, b.String())
	}
}

// anyTokenizer makes a vocabulary of the letters a to d: three bytes of rules are the tokens of a merge and its place among the
// merges before it. So any merge can be of a lower rank than those that make its tokens.
func anyTokenizer(rules []byte) *Tokenizer {
	words := []string{"a", "b", "c", "d"}
	t := &Tokenizer{ranks: map[pair]int32{}}
	var merges []pair
	for i, word := range words {
		t.bytes[word[0]] = int32(i)
	}
	for ; len(rules) >= 3; rules = rules[3:] {
		p := pair{int32(int(rules[0]) % len(words)), int32(int(rules[1]) % len(words))}
		if word := words[p.left] + words[p.right]; len(word) <= 16 && !slices.Contains(merges, p) {
			merges = slices.Insert(merges, int(rules[2])%(len(merges)+1), p)
			if !slices.Contains(words, word) {
				words = append(words, word)
			}
		}
	}
	for rank, p := range merges {
		t.ranks[p] = int32(rank)
		t.merged = append(t.merged, int32(slices.Index(words, words[p.left]+words[p.right])))
	}
	return t
}

// letters is a piece in the alphabet of anyTokenizer.
func letters(data []byte) string {
	piece := make([]byte, min(len(data), 256))
	for i := range piece {
		piece[i] = 'a' + data[i]%4
	}
	return string(piece)
}

func TestMergeOfAnyRanks(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	fell := 0
	for range 2000 {
		data := make([]byte, 3*(1+rng.IntN(40))+64)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		tok := anyTokenizer(data[64:])
		for range 3 {
			piece := letters(data[:1+rng.IntN(64)])
			if checkMerge(t, newEncoder(tok), piece) {
				fell++
			}
			checkMerge(t, newEncoder(tok), strings.Repeat(piece, 4))
			data = slices.Repeat([]byte{byte(rng.Uint32())}, 64)
		}
	}
	if fell < 500 {
		t.Errorf("a merge made a pair of a lower rank in %d pieces only", fell)
	}
}

func FuzzMerge(f *testing.F) {
	f.Add([]byte{0, 1, 0, 4, 2, 0}, []byte("abcabc"))
	f.Add([]byte{0, 0, 0, 4, 4, 0, 4, 0, 1, 5, 5, 0}, []byte("aaaaaaaaaaaaaaa"))
	f.Fuzz(func(t *testing.T, rules, piece []byte) {
		if len(piece) > 0 {
			checkMerge(t, newEncoder(anyTokenizer(rules[:min(len(rules), 300)])), letters(piece))
		}
	})
}

// The work for a text is proportional to its length, whatever the text.
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
	var cases strings.Builder
	for _, c := range v.Encode {
		cases.WriteString(c.Text)
	}
	work := func(text string) float64 {
		e := newEncoder(tok)
		e.encode(text, true)
		return float64(e.work+e.queue.work) / float64(len(text))
	}
	unit := work(strings.Repeat(cases.String(), size/cases.Len()))
	t.Logf("cases: %.1f steps a byte", unit)
	texts := map[string]string{"noise": string(noise), "letters": random("abcdefghijklmnopqrstuvwxyz"), "marks": random("\u0300\u0316\u0334\u0345\u0591")}
	for _, s := range []string{"a", "A", " ", "7", "\n", "\r", " \n", "\n ", "  a", "\t!", "'", "'l", "<", "<|im_start|", "<|im_end|>", "=", "_a",
		"\U0001F600", "\x80", "\xE2\x82", "\u65E5", "\u0301", "\u0301\u0316", "e\u0301", "\u1112\u1161\u11AB", "\u00A0", "\u0085", "\u0898\u0301"} {
		texts[s] = strings.Repeat(s, size/len(s))
	}
	for name, text := range texts {
		growth := 1.1
		if strings.Contains(text, "\u0316") {
			growth = 1.5 // a logarithm: normalization sorts marks
		}
		short, long := work(text[:size>>6]), work(text)
		t.Logf("%q: %.1f steps a byte", name, long)
		if long > 4*unit || long > growth*short {
			t.Errorf("%q: %.1f steps a byte, of a text of %d bytes %.1f, of other texts %.1f", name, long, size>>6, short, unit)
		}
	}
}
