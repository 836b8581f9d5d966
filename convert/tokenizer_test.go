package convert

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTokenizer(t *testing.T) {
	v, err := parseTokenizer(toObject(t, tinyTokenizer()), 8)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "ab", "aba", "<end>", "[PAD5]", "<think>", "[PAD7]"}; !slices.Equal(v.tokens, want) {
		t.Errorf("tokens %q, want %q", v.tokens, want)
	}
	if want := []int32{1, 1, 1, 1, 3, 5, 4, 5}; !slices.Equal(v.types, want) {
		t.Errorf("types %v, want %v", v.types, want)
	}
	if want := []string{"a b", "ab a"}; !slices.Equal(v.merges, want) {
		t.Errorf("merges %q, want %q", v.merges, want)
	}
}

// TestAddedVocabulary checks an added token that the vocabulary has too.
func TestAddedVocabulary(t *testing.T) {
	tok := tinyTokenizer()
	tok["added_tokens"] = []any{map[string]any{"id": 3, "content": "aba", "special": true}}
	v, err := parseTokenizer(toObject(t, tok), 4)
	if err != nil || v.types[3] != tokenControl || v.tokens[3] != "aba" {
		t.Errorf("%+v, error %v", v, err)
	}
}

func TestTokenizerRefused(t *testing.T) {
	type object = map[string]any
	added := func(fields object) func(tok object) {
		return func(tok object) { tok["added_tokens"] = []any{fields} }
	}
	model := func(key string, value any) func(tok object) {
		return func(tok object) { tok["model"].(object)[key] = value }
	}
	splitter := func(key string, value any) func(tok object) {
		return func(tok object) { tok["pre_tokenizer"].(object)["pretokenizers"].([]any)[0].(object)[key] = value }
	}
	for _, c := range []struct {
		name  string
		spoil func(tok object)
		want  string
	}{
		{"normalizer", func(tok object) { tok["normalizer"] = object{"type": "NFKC"} }, `normalizer: "NFKC" is not supported`},
		{"no normalizer", func(tok object) { tok["normalizer"] = nil }, `normalizer: "" is not supported`},
		{"two normalizers", func(tok object) {
			tok["normalizer"] = object{"type": "Sequence", "normalizers": []any{object{"type": "NFC"}, object{"type": "Lowercase"}}}
		}, `normalizer: "Sequence" is not supported`},
		{"pattern", splitter("pattern", object{"Regex": `\p{N}{1,3}`}), `pre_tokenizer: "Sequence" is not supported`},
		{"inverted pattern", splitter("invert", true), "pre_tokenizer"},
		{"behavior", splitter("behavior", "Removed"), "pre_tokenizer"},
		{"no splitting", func(tok object) { tok["pre_tokenizer"] = object{"type": "ByteLevel"} }, `pre_tokenizer: "ByteLevel" is not supported`},
		{"post-processor", func(tok object) { tok["post_processor"] = object{"type": "TemplateProcessing"} }, `post_processor: "TemplateProcessing"`},
		{"decoder", func(tok object) { tok["decoder"] = object{"type": "WordPiece"} }, `decoder: "WordPiece"`},
		{"no model", func(tok object) { tok["model"] = nil }, "model: missing"},
		{"model type", model("type", "Unigram"), `model: type: "Unigram" is not supported`},
		{"byte fallback", model("byte_fallback", true), "byte_fallback: true"},
		{"ignored merges", model("ignore_merges", true), "ignore_merges: true"},
		{"unknown token", model("unk_token", "<unk>"), `unk_token: "<unk>" is not supported`},
		{"dropout", model("dropout", 0.1), "dropout: 0.1 is not supported"},
		{"no vocabulary", model("vocab", nil), "vocab: missing"},
		{"vocabulary a list", model("vocab", []any{"a"}), "vocab: unexpected JSON array"},
		{"id twice", model("vocab", object{"a": 0, "b": 1, "ab": 2, "aba": 2}), `tokens "ab" and "aba" have the same id 2`},
		{"id beyond rows", model("vocab", object{"a": 0, "b": 1, "ab": 2, "aba": 8}), `token "aba" has id 8, but the embedding has 8 rows`},
		{"negative id", model("vocab", object{"a": 0, "b": 1, "ab": 2, "aba": -1}), "has id -1"},
		{"merge of no token", model("merges", []any{"a a"}), `merges: "aa" of rule 0 is no token`},
		{"merge of one part", model("merges", []any{"ab"}), `merges: "" of rule 0 is no token`},
		{"merge of three", model("merges", []any{[]any{"a", "b", "a"}}), "merges: "},
		{"merge with a space", model("merges", []any{[]any{"a b", "a"}}), "without spaces"},
		{"merge a number", model("merges", []any{5}), "merges: unexpected JSON number"},
		{"merge null", model("merges", []any{nil}), "of rule 0 is no token"},
		{"added beyond rows", added(object{"id": 8, "content": "x"}), `token "x" has id 8`},
		{"added negative", added(object{"id": -8, "content": "x"}), `token "x" has id -8`},
		{"added empty", added(object{"id": 5, "content": ""}), "token 5 is empty"},
		{"added over another", added(object{"id": 3, "content": "x"}), `tokens "aba" and "x" have the same id 3`},
		{"added with two ids", added(object{"id": 5, "content": "aba"}), `"aba" has the ids 3 and 5`},
		{"added with stripping", added(object{"id": 5, "content": "x", "lstrip": true}), `"x": single_word, lstrip and rstrip`},
		{"name of an unused row", added(object{"id": 5, "content": "[PAD7]"}), "[PAD7] of the unused row 7 is a token"},
	} {
		tok := tinyTokenizer()
		c.spoil(tok)
		_, err := parseTokenizer(toObject(t, tok), 8)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestTemplates(t *testing.T) {
	c := newTiny(false, true, "F32")
	c.files["tokenizer_config.json"] = map[string]any{"chat_template": []any{
		map[string]any{"name": "tool_use", "template": "T"}, map[string]any{"name": "default", "template": "D"}}}
	f, _ := convertTo(t, c.write(t), Options{})
	checkMetadata(t, f.Metadata, map[string]any{
		"tokenizer.chat_template": "D", "tokenizer.chat_template.tool_use": "T", "tokenizer.chat_templates": []string{"tool_use"}})

	c.files["chat_template.jinja"] = []byte("J")
	f, _ = convertTo(t, c.write(t), Options{})
	checkMetadata(t, f.Metadata, map[string]any{"tokenizer.chat_template": "J"})

	for template, want := range map[string]string{
		`5`:                              "chat_template: unexpected JSON number",
		`[{"name": "", "template": ""}]`: `"" is not a name`,
		`[{"name": "a.b"}]`:              `"a.b" is not a name`,
		`[{"name": "a"}, {"name": "a"}]`: `"a" is given twice`,
	} {
		_, err := parseTemplates(toObject(t, map[string]any{"chat_template": json.RawMessage(template)}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", template, err, want)
		}
	}
}

func FuzzTokenizer(f *testing.F) {
	data, err := json.Marshal(tinyTokenizer())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	data, err = os.ReadFile(filepath.Join(demo, "tokenizer_config.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := parseObject(data)
		if err != nil {
			return
		}
		parseTemplates(o)
		if o, _ = parseObject(data); o == nil {
			t.Fatal("parsed once only")
		}
		const rows = 16
		v, err := parseTokenizer(o, rows)
		if err != nil {
			return
		}
		if len(v.tokens) != rows || len(v.types) != rows {
			t.Fatalf("%d tokens, %d types", len(v.tokens), len(v.types))
		}
		ids := make(map[string]int)
		for id, token := range v.tokens {
			if other, ok := ids[token]; ok {
				t.Fatalf("token %q twice: %d, %d", token, other, id)
			}
			ids[token] = id
			if (v.types[id] == tokenUnused) != (token == fmt.Sprintf("[PAD%d]", id)) {
				t.Fatalf("token %d %q has type %d", id, token, v.types[id])
			}
		}
		for _, m := range v.merges {
			left, right, ok := strings.Cut(m, " ")
			if _, known := ids[left+right]; !ok || !known {
				t.Fatalf("merge %q", m)
			}
		}
	})
}
