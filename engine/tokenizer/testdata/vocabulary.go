//go:build ignore

// This program writes the part of a tokenizer that matters for some texts, for tests:
//
//	go run testdata/vocabulary.go TOKENIZER.json CASES.json... > testdata/NAME.json
//
// TOKENIZER.json is the reference's. CASES.json has texts with their encodings under "encode" and may have tokens with
// their texts under "decode". The output has the cases, and of the tokenizer every merge whose result is a part of a
// text, in their order, and the tokens of these, of all bytes and of all added tokens, with their ids. Merges that make
// nothing that is in a text never apply, so that the encodings are those of the whole tokenizer.
//
// The cases here are ../shared/golden's, and more of version 0.23.3 of the reference library.
package main

import (
	"encoding/json"
	"log"
	"os"
	"strings"
)

// Cases are what the reference library does: texts with their tokens and pre-tokens, added tokens found, and tokens
// with their text.
type Cases struct {
	Encode []struct {
		Text    string   `json:"text"`
		IDs     []int32  `json:"ids"`
		Decoded string   `json:"decoded"`
		Pieces  []string `json:"pieces,omitempty"` // if the text has no added tokens
	} `json:"encode"`
	Decode []struct {
		IDs     []int32 `json:"ids"`
		Decoded string  `json:"decoded"`
	} `json:"decode,omitempty"`
}

// Vocabulary is the output, and what the tests read.
type Vocabulary struct {
	Size        int              `json:"size"`
	Tokens      map[string]int32 `json:"tokens"`
	Control     map[string]int32 `json:"control"`
	UserDefined map[string]int32 `json:"user_defined"`
	Merges      []string         `json:"merges"`
	Cases
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 3 {
		log.Fatal("usage: go run vocabulary.go TOKENIZER.json CASES.json...")
	}
	var tokenizer struct {
		AddedTokens []struct {
			ID      int32
			Content string
			Special bool
		} `json:"added_tokens"`
		Model struct {
			Vocab  map[string]int32
			Merges [][2]string
		}
	}
	read(os.Args[1], &tokenizer)

	v := Vocabulary{Tokens: map[string]int32{}, Control: map[string]int32{}, UserDefined: map[string]int32{}}
	var texts strings.Builder // in the alphabet of the vocabulary, with a space between, which is not in it
	for _, path := range os.Args[2:] {
		var cases Cases
		read(path, &cases)
		v.Encode = append(v.Encode, cases.Encode...)
		v.Decode = append(v.Decode, cases.Decode...)
	}
	for _, c := range v.Encode {
		texts.WriteString(spell(c.Decoded) + " ") // the text as it is merged: after normalization
	}

	for b := range 256 {
		word := spell(string([]byte{byte(b)}))
		v.Tokens[word] = tokenizer.Model.Vocab[word]
	}
	for _, m := range tokenizer.Model.Merges {
		if strings.Contains(texts.String(), m[0]+m[1]) {
			v.Merges = append(v.Merges, m[0]+" "+m[1])
			for _, word := range []string{m[0], m[1], m[0] + m[1]} {
				v.Tokens[word] = tokenizer.Model.Vocab[word]
			}
		}
	}
	v.Size = len(tokenizer.Model.Vocab)
	for _, a := range tokenizer.AddedTokens {
		v.Size = max(v.Size, int(a.ID)+1)
		if a.Special {
			v.Control[a.Content] = a.ID
		} else {
			v.UserDefined[a.Content] = a.ID
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "\t")
	if err := out.Encode(v); err != nil {
		log.Fatal(err)
	}
}

func read(path string, value any) {
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, value)
	}
	if err != nil {
		log.Fatalf("%s: %v", path, err)
	}
}

// spell writes bytes in GPT-2's alphabet of printable characters.
func spell(text string) string {
	var b strings.Builder
	next := rune(256)
	var runes [256]rune
	for i := range runes {
		runes[i] = rune(i)
		if i <= ' ' || i >= 0x7F && i <= 0xA0 || i == 0xAD {
			runes[i], next = next, next+1
		}
	}
	for i := range len(text) {
		b.WriteRune(runes[text[i]])
	}
	return b.String()
}
