package convert

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// vocabulary is a byte-level BPE vocabulary as GGUF stores it.
type vocabulary struct {
	tokens []string // one a row of the embedding
	types  []int32
	merges []string // "left right", most frequent first
}

// Token types of GGUF (llama.cpp's llama_token_type).
const (
	tokenNormal      = 1
	tokenControl     = 3
	tokenUserDefined = 4
	tokenUnused      = 5
)

// qwen2Pattern is the regular expression that splits text before BPE in Qwen2
// and Qwen3 tokenizers; GGUF calls this pre-tokenizer "qwen2".
const qwen2Pattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// stage is a part of the tokenizers library's pipeline: a normalizer, a
// pre-tokenizer, a post-processor or a decoder.
type stage struct {
	Type          string  `json:"type"`
	Normalizers   []stage `json:"normalizers"`
	Pretokenizers []stage `json:"pretokenizers"`
	Processors    []stage `json:"processors"`
	Pattern       struct {
		Regex string `json:"Regex"`
	} `json:"pattern"`
	Behavior       string `json:"behavior"`
	Invert         bool   `json:"invert"`
	AddPrefixSpace bool   `json:"add_prefix_space"`
	UseRegex       bool   `json:"use_regex"`
}

// flat replaces sequences of stages by their members.
func (s stage) flat() []stage {
	if s.Type != "Sequence" {
		return []stage{s}
	}
	return slices.Concat(s.Normalizers, s.Pretokenizers, s.Processors)
}

// addedToken is a token that is found in text before it is split.
type addedToken struct {
	ID         int    `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Special    bool   `json:"special"`
}

// merge is a rule "left right", written in either way of the tokenizers library.
type merge string

func (m *merge) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		return json.Unmarshal(data, (*string)(m))
	}
	var pair []string
	if err := json.Unmarshal(data, &pair); err != nil {
		return err
	}
	if len(pair) != 2 || strings.Contains(pair[0]+pair[1], " ") {
		return fmt.Errorf("%.80q is not a pair of tokens without spaces", pair)
	}
	*m = merge(pair[0] + " " + pair[1])
	return nil
}

// parseTokenizer reads a tokenizer.json (tokenizers library) for an embedding
// of the given number of rows, and refuses by name all but byte-level BPE with
// Qwen's normalization and splitting.
func parseTokenizer(o *object, rows int) (*vocabulary, error) {
	for _, check := range []struct {
		field string
		fits  func([]stage) bool
		want  string
	}{
		{"normalizer", func(s []stage) bool { return len(s) == 1 && s[0].Type == "NFC" }, "NFC"},
		{"pre_tokenizer", isQwen2, "Qwen2's pattern and ByteLevel"},
		{"post_processor", addsNothing, "ByteLevel or null"},
		{"decoder", func(s []stage) bool { return len(s) == 1 && s[0].Type == "ByteLevel" }, "ByteLevel"},
	} {
		var s stage
		o.decode(check.field, &s)
		if !check.fits(s.flat()) {
			o.fail(check.field, "%q is not supported: Qwen3 has %s", s.Type, check.want)
		}
	}
	model := o.child("model")
	if o.err == nil && model == nil {
		o.fail("model", "missing")
	}
	if o.err != nil {
		return nil, o.err
	}
	v := &vocabulary{tokens: make([]string, rows), types: make([]int32, rows)}
	ids, err := v.readModel(model)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	var added []addedToken
	o.decode("added_tokens", &added)
	if o.err != nil {
		return nil, o.err
	}
	if err := v.add(ids, added); err != nil {
		return nil, fmt.Errorf("added_tokens: %w", err)
	}
	return v, v.pad(ids)
}

func isQwen2(s []stage) bool {
	return len(s) == 2 &&
		s[0].Type == "Split" && s[0].Pattern.Regex == qwen2Pattern && s[0].Behavior == "Isolated" && !s[0].Invert &&
		s[1].Type == "ByteLevel" && !s[1].AddPrefixSpace && !s[1].UseRegex
}

// addsNothing tells whether post-processing leaves the tokens as they are.
func addsNothing(s []stage) bool {
	return !slices.ContainsFunc(s, func(s stage) bool { return s.Type != "" && s.Type != "ByteLevel" })
}

// readModel stores the tokens and merges of BPE, and returns the tokens' ids.
func (v *vocabulary) readModel(o *object) (map[string]int, error) {
	if kind := o.text("type"); kind != "BPE" {
		o.fail("type", "%q is not supported: only BPE is", kind)
	}
	for _, key := range []string{"byte_fallback", "ignore_merges"} {
		if o.flag(key) {
			o.fail(key, "true is not supported")
		}
	}
	for _, key := range []string{"continuing_subword_prefix", "end_of_word_suffix", "unk_token"} {
		if s := o.text(key); s != "" {
			o.fail(key, "%.80q is not supported", s)
		}
	}
	if p := o.within("dropout", 0, 1); p != nil && *p != 0 {
		o.fail("dropout", "%g is not supported", *p)
	}
	var ids map[string]int
	var merges []merge
	if !o.decode("vocab", &ids) || len(ids) == 0 {
		o.fail("vocab", "missing or empty")
	}
	o.decode("merges", &merges)
	if o.err != nil {
		return nil, o.err
	}
	for token, id := range ids {
		if err := v.set(id, token, tokenNormal); err != nil {
			return nil, fmt.Errorf("vocab: %w", err)
		}
	}
	v.merges = make([]string, len(merges))
	for i, m := range merges {
		left, right, _ := strings.Cut(string(m), " ")
		for _, token := range []string{left, right, left + right} {
			if _, ok := ids[token]; !ok {
				return nil, fmt.Errorf("merges: %.80q of rule %d is no token", token, i)
			}
		}
		v.merges[i] = string(m)
	}
	return ids, nil
}

// set stores a token in a free row.
func (v *vocabulary) set(id int, token string, kind int32) error {
	switch {
	case id < 0 || id >= len(v.tokens):
		return fmt.Errorf("token %.80q has id %d, but the embedding has %d rows (config.json: vocab_size)", token, id, len(v.tokens))
	case v.types[id] != 0:
		return fmt.Errorf("tokens %.80q and %.80q have the same id %d", min(token, v.tokens[id]), max(token, v.tokens[id]), id)
	}
	v.tokens[id], v.types[id] = token, kind
	return nil
}

// add stores the added tokens; one that the vocabulary has too changes its type.
func (v *vocabulary) add(ids map[string]int, added []addedToken) error {
	for _, t := range added {
		kind := int32(tokenUserDefined)
		if t.Special {
			kind = tokenControl
		}
		switch id, have := ids[t.Content]; {
		case t.Content == "":
			return fmt.Errorf("token %d is empty", t.ID)
		case t.SingleWord || t.LStrip || t.RStrip:
			return fmt.Errorf("%.80q: single_word, lstrip and rstrip are not supported", t.Content)
		case !have:
			ids[t.Content] = t.ID
			if err := v.set(t.ID, t.Content, kind); err != nil {
				return err
			}
		case id != t.ID:
			return fmt.Errorf("%.80q has the ids %d and %d", t.Content, id, t.ID)
		default:
			v.types[id] = kind
		}
	}
	return nil
}

// pad names the rows that have no token as llama.cpp does.
func (v *vocabulary) pad(ids map[string]int) error {
	for id := range v.tokens {
		if v.types[id] != 0 {
			continue
		}
		name := fmt.Sprintf("[PAD%d]", id)
		if _, taken := ids[name]; taken {
			return fmt.Errorf("the name %s of the unused row %d is a token", name, id)
		}
		v.tokens[id], v.types[id] = name, tokenUnused
	}
	return nil
}

// chatTemplate is a template with the name that tokenizer_config.json gives it.
type chatTemplate struct {
	Name     string `json:"name"`
	Template string `json:"template"`
}

// parseTemplates reads chat_template of tokenizer_config.json: a string, which
// is the default template, or a list of named ones.
func parseTemplates(o *object) ([]chatTemplate, error) {
	if !o.has("chat_template") {
		return nil, nil
	}
	var list []chatTemplate
	if o.fields["chat_template"][0] == '[' {
		o.decode("chat_template", &list)
	} else {
		list = []chatTemplate{{"default", o.text("chat_template")}}
	}
	for i, t := range list {
		if t.Name == "" || strings.Trim(t.Name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
			o.fail("chat_template", "%.80q is not a name of letters, digits and _", t.Name)
		}
		if slices.ContainsFunc(list[:i], func(u chatTemplate) bool { return u.Name == t.Name }) {
			o.fail("chat_template", "%q is given twice", t.Name)
		}
	}
	return list, o.err
}
