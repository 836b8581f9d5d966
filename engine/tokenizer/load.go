package tokenizer

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"orthrus/gguf"
)

const (
	keyModel  = "tokenizer.ggml.model"
	keyPre    = "tokenizer.ggml.pre"
	keyTokens = "tokenizer.ggml.tokens"
	keyTypes  = "tokenizer.ggml.token_type"
	keyMerges = "tokenizer.ggml.merges"
)

// FromGGUF builds the tokenizer of a model file from the tokenizer.ggml keys model ("gpt2"), pre ("qwen2"), tokens,
// token_type and merges. Errors name the key and the element.
func FromGGUF(md gguf.Metadata) (*Tokenizer, error) {
	for _, want := range []gguf.KV{{Key: keyModel, Value: "gpt2"}, {Key: keyPre, Value: "qwen2"}} {
		value, err := md.Text(want.Key)
		if err != nil {
			return nil, err
		}
		if value != want.Value {
			return nil, fmt.Errorf("metadata key %q is %.40q: only %q is supported", want.Key, value, want.Value)
		}
	}
	tokens, err := md.Texts(keyTokens)
	if err != nil {
		return nil, err
	}
	types, err := md.Ints(keyTypes)
	if err != nil {
		return nil, err
	}
	merges, err := md.Texts(keyMerges)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{}
	t.classes, t.young = unicodeTables()
	if err := t.addTokens(tokens, types); err != nil {
		return nil, err
	}
	if err := t.addMerges(merges); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Tokenizer) addTokens(tokens []string, types []int64) error {
	if len(tokens) > math.MaxInt32 {
		return fmt.Errorf("metadata key %q has %d tokens: at most %d are supported", keyTokens, len(tokens), math.MaxInt32)
	}
	if len(types) != len(tokens) {
		return fmt.Errorf("metadata key %q has %d elements for the %d tokens of %q", keyTypes, len(types), len(tokens), keyTokens)
	}
	t.texts = make([]string, len(tokens))
	t.kinds = make([]Kind, len(tokens))
	t.ids = make(map[string]int32, len(tokens))
	var text []byte
	for i, token := range tokens {
		id := int32(i)
		if first, ok := t.ids[token]; ok {
			return fmt.Errorf("metadata key %q: tokens %d and %d are both %.40q", keyTokens, first, id, token)
		}
		t.ids[token] = id
		switch kind := types[i]; kind {
		case int64(Normal):
			text = unspell(text[:0], token)
			t.texts[i] = string(text)
		case int64(Control), int64(UserDefined):
			if len(token) == 0 || len(token) > maxAdded {
				return fmt.Errorf("metadata key %q: token %d, which is found in text, has %d bytes: it needs 1 to %d", keyTokens, id, len(token), maxAdded)
			}
			t.texts[i] = token
			t.added[token[0]] = append(t.added[token[0]], token)
		case int64(Unused):
			t.texts[i] = token
		default:
			return fmt.Errorf("metadata key %q: token %d is of type %d: only 1, 3, 4 and 5 are supported", keyTypes, id, kind)
		}
		t.kinds[i] = Kind(types[i])
	}
	for _, tokens := range t.added {
		slices.Sort(tokens)
	}
	for b, r := range byteRune {
		id, ok := t.normal(string(r))
		if !ok {
			return fmt.Errorf("metadata key %q lacks a normal token %q for the byte 0x%02X", keyTokens, string(r), b)
		}
		t.bytes[b] = id
	}
	return nil
}

func (t *Tokenizer) addMerges(merges []string) error {
	t.ranks = make(map[pair]int32, len(merges))
	t.merged = make([]int32, len(merges))
	for rank, merge := range merges {
		left, right, ok := strings.Cut(merge, " ")
		if !ok {
			return fmt.Errorf("metadata key %q: merge %d, %.40q, is not two tokens with a space between", keyMerges, rank, merge)
		}
		var ids [3]int32
		for i, token := range []string{left, right, left + right} {
			if ids[i], ok = t.normal(token); !ok {
				return fmt.Errorf("metadata key %q: merge %d, %.40q: %.40q is not a normal token", keyMerges, rank, merge, token)
			}
		}
		p := pair{ids[0], ids[1]}
		if first, ok := t.ranks[p]; ok {
			return fmt.Errorf("metadata key %q: merges %d and %d are both %.40q", keyMerges, first, rank, merge)
		}
		t.ranks[p], t.merged[rank] = int32(rank), ids[2]
	}
	return nil
}

// normal returns the normal token that the file spells so.
func (t *Tokenizer) normal(token string) (int32, bool) {
	id, ok := t.ids[token]
	return id, ok && t.kinds[id] == Normal
}
