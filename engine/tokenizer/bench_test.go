package tokenizer

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var path = flag.String("tokenizer", "../../convert/testdata/orthrus-demo-18m/tokenizer.json", "the tokenizer.json that BenchmarkEncode measures")

// BenchmarkEncode encodes a megabyte of prose, this project's documentation, and of texts that are one long piece, or as
// many pieces as there are bytes.
func BenchmarkEncode(b *testing.B) {
	const size = 1 << 20
	tok := readTokenizer(b, *path)
	names, _ := filepath.Glob("../../docs/*.md")
	var docs []byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		docs = append(docs, data...)
	}
	for _, c := range []struct{ name, unit string }{
		{"prose", string(docs)}, {"letter", "a"}, {"spaces", " "}, {"newlines", "\n"}, {"digits", "7"}, {"less-than", "<"}, {"byte80", "\x80"},
	} {
		b.Run(c.name, func(b *testing.B) {
			text := strings.Repeat(c.unit, size/len(c.unit))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Encode(text, true)
			}
		})
	}
}

// readTokenizer reads a file of the reference library.
func readTokenizer(t testing.TB, path string) *Tokenizer {
	t.Helper()
	var file struct {
		Added []struct {
			ID      int32
			Content string
			Special bool
		} `json:"added_tokens"`
		Model struct {
			Vocab  map[string]int32
			Merges [][2]string
		}
	}
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &file)
	}
	if err != nil {
		t.Fatal(path, err)
	}
	v := vocabulary{Tokens: file.Model.Vocab, Control: map[string]int32{}, UserDefined: map[string]int32{}}
	v.Size = len(v.Tokens) + len(file.Added)
	for _, a := range file.Added {
		if a.Special {
			v.Control[a.Content] = a.ID
		} else {
			v.UserDefined[a.Content] = a.ID
		}
	}
	for _, m := range file.Model.Merges {
		v.Merges = append(v.Merges, m[0]+" "+m[1])
	}
	tok, err := FromGGUF(v.metadata())
	if err != nil {
		t.Fatal(path, err)
	}
	return tok
}
