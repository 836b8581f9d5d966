package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

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
			if len(v.Encode) == 0 {
				t.Fatal("no cases")
			}
			for _, c := range v.Encode {
				if got := tok.Encode(c.Text, true); !slices.Equal(got, c.IDs) {
					t.Errorf("Encode(%q)\n got %v\nwant %v", c.Text, got, c.IDs)
				}
				if got := tok.Decode(c.IDs); got != c.Decoded {
					t.Errorf("Decode(%v)\n got %q\nwant %q", c.IDs, got, c.Decoded)
				}
				var stream strings.Builder
				s := tok.NewStream()
				for _, id := range c.IDs {
					stream.WriteString(s.Add(id))
				}
				if stream.WriteString(s.Flush()); stream.String() != c.Decoded {
					t.Errorf("Stream of %v\n got %q\nwant %q", c.IDs, stream.String(), c.Decoded)
				}
			}
		})
	}
}
