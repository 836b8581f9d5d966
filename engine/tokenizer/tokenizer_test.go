package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"orthrus/gguf"
)

// vocabulary is a part of a tokenizer with texts that need no more of it; testdata/vocabulary.go writes it.
type vocabulary struct {
	Size        int
	Tokens      map[string]int32
	Control     map[string]int32
	UserDefined map[string]int32 `json:"user_defined"`
	Merges      []string
	Encode      []struct {
		Text    string
		IDs     []int32
		Decoded string
		Pieces  []string
	}
	Decode []struct {
		IDs     []int32
		Decoded string
	}
}

func readVocabulary(t testing.TB, path string) *vocabulary {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v := new(vocabulary)
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(path, err)
	}
	return v
}

// metadata returns the vocabulary as a GGUF file has it. Ids without a token are unused.
func (v *vocabulary) metadata() gguf.Metadata {
	tokens := make([]string, v.Size)
	types := make([]int32, v.Size)
	for i := range tokens {
		tokens[i], types[i] = fmt.Sprintf("[PAD%d]", i), int32(Unused)
	}
	for kind, words := range map[Kind]map[string]int32{Normal: v.Tokens, Control: v.Control, UserDefined: v.UserDefined} {
		for word, id := range words {
			tokens[id], types[id] = word, int32(kind)
		}
	}
	return gguf.Metadata{
		{Key: "tokenizer.ggml.model", Value: "gpt2"},
		{Key: "tokenizer.ggml.pre", Value: "qwen2"},
		{Key: "tokenizer.ggml.tokens", Value: tokens},
		{Key: "tokenizer.ggml.token_type", Value: types},
		{Key: "tokenizer.ggml.merges", Value: v.Merges},
	}
}

func load(t testing.TB, name string) (*Tokenizer, *vocabulary) {
	t.Helper()
	v := readVocabulary(t, "testdata/"+name+".json")
	tok, err := FromGGUF(v.metadata())
	if err != nil {
		t.Fatal(err)
	}
	return tok, v
}

// The cases are of the reference library, with all added tokens found.
func TestReference(t *testing.T) {
	for _, name := range []string{"qwen3", "demo"} {
		t.Run(name, func(t *testing.T) {
			tok, v := load(t, name)
			for _, c := range v.Encode {
				if got := tok.Encode(c.Text, true); !slices.Equal(got, c.IDs) {
					t.Errorf("Encode(%+q)\n got %v\nwant %v", c.Text, got, c.IDs)
				}
				if got := pieces(tok, c.Text); c.Pieces != nil && !slices.Equal(got, c.Pieces) {
					t.Errorf("pieces of %+q\n got %+q\nwant %+q", c.Text, got, c.Pieces)
				}
				checkDecode(t, tok, c.IDs, c.Decoded)
			}
			for _, c := range v.Decode {
				checkDecode(t, tok, c.IDs, c.Decoded)
			}
		})
	}
}

// pieces returns the pre-tokens of text.
func pieces(tok *Tokenizer, text string) []string {
	e := encoder{t: tok}
	var all []string
	for text = e.normalize(text); text != ""; {
		n := e.next(text)
		all = append(all, text[:n])
		text = text[n:]
	}
	return all
}

// checkDecode tests Decode and Stream.
func checkDecode(t *testing.T, tok *Tokenizer, ids []int32, want string) {
	t.Helper()
	if got := tok.Decode(ids); got != want {
		t.Errorf("Decode(%v)\n got %+q\nwant %+q", ids, got, want)
	}
	var all strings.Builder
	s := tok.NewStream()
	for _, id := range ids {
		text := s.Add(id)
		if !utf8.ValidString(text) {
			t.Errorf("Stream.Add(%d) = %q of %v", id, text, ids)
		}
		all.WriteString(text)
	}
	all.WriteString(s.Flush())
	if all.String() != want {
		t.Errorf("Stream of %v\n got %+q\nwant %+q", ids, all.String(), want)
	}
}

func TestStreamWaits(t *testing.T) {
	tok, _ := load(t, "qwen3")
	s := tok.NewStream()
	var got []string
	for _, b := range []byte("a\u20AC\xE2\x82b\xF0\x9F\x98") {
		got = append(got, s.Add(tok.bytes[b]))
	}
	got = append(got, s.Flush(), s.Flush())
	want := []string{"a", "", "", "\u20AC", "", "", "\uFFFDb", "", "", "", "\uFFFD", ""}
	if !slices.Equal(got, want) {
		t.Errorf("got %+q\nwant %+q", got, want)
	}
}

// Control tokens are text unless they are asked for.
func TestControl(t *testing.T) {
	tok, _ := load(t, "qwen3")
	const text = "<|im_end|><think>"
	if got, want := tok.Encode(text, true), []int32{151645, 151667}; !slices.Equal(got, want) {
		t.Errorf("special: got %v, want %v", got, want)
	}
	got := tok.Encode(text, false)
	if got[len(got)-1] != 151667 || slices.Contains(got, 151645) || tok.Decode(got) != text {
		t.Errorf("not special: got %v, %q", got, tok.Decode(got))
	}
}

// Of added tokens at one place the longest is found, of those that Encode looks for.
func TestLongest(t *testing.T) {
	md := tiny()
	tokens, _ := md.Texts("tokenizer.ggml.tokens")
	types, _ := md.Lookup("tokenizer.ggml.token_type")
	md.Set("tokenizer.ggml.tokens", append(tokens, "<word><|end|>", "<word><"))
	md.Set("tokenizer.ggml.token_type", append(types.([]int32), int32(Control), int32(UserDefined)))
	tok, err := FromGGUF(md)
	if err != nil {
		t.Fatal(err)
	}
	const text = "<word><word><|end|>"
	if got, want := tok.Encode(text, true), []int32{261, 'w', 'o', 'r', 'd', '>', 257}; !slices.Equal(got, want) {
		t.Errorf("special: got %v, want %v", got, want)
	}
	if got, want := tok.Encode("<word><|end|>", true), []int32{260}; !slices.Equal(got, want) {
		t.Errorf("special: got %v, want %v", got, want)
	}
	if got, want := tok.Encode("<word><|end|>", false), []int32{261, '|', 'e', 'n', 'd', '|', '>'}; !slices.Equal(got, want) {
		t.Errorf("not special: got %v, want %v", got, want)
	}
}

func TestToken(t *testing.T) {
	tok, _ := load(t, "demo")
	if tok.Size() != 8165 {
		t.Errorf("Size() = %d", tok.Size())
	}
	unused := int32(slices.Index(tok.kinds, Unused))
	for _, c := range []struct {
		id   int32
		text string
		kind Kind
	}{{220, " ", Normal}, {127, "\xC3", Normal}, {8162, "<|im_end|>", Control}, {8164, "</think>", UserDefined}} {
		if text, kind := tok.Token(c.id); text != c.text || kind != c.kind {
			t.Errorf("Token(%d) = %q, %d; want %q, %d", c.id, text, kind, c.text, c.kind)
		}
	}
	if text, kind := tok.Token(unused); text != fmt.Sprintf("[PAD%d]", unused) || kind != Unused || tok.Decode([]int32{unused}) != "" {
		t.Errorf("Token(%d) = %q, %d", unused, text, kind)
	}
	for _, id := range []int32{-1, 8165} {
		if text, kind := tok.Token(id); text != "" || kind != 0 || tok.Decode([]int32{id}) != "" {
			t.Errorf("Token(%d) = %q, %d", id, text, kind)
		}
	}
}
