package tokenizer

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"orthrus/gguf"
)

// tiny is a vocabulary of the bytes, a merge "a b", <|end|> (257), <word> (258) and an unused token (259).
func tiny() gguf.Metadata {
	var tokens []string
	var types []int32
	for _, r := range byteRune {
		tokens, types = append(tokens, string(r)), append(types, int32(Normal))
	}
	tokens = append(tokens, "ab", "<|end|>", "<word>", "[PAD259]")
	types = append(types, int32(Normal), int32(Control), int32(UserDefined), int32(Unused))
	return gguf.Metadata{
		{Key: "tokenizer.ggml.model", Value: "gpt2"},
		{Key: "tokenizer.ggml.pre", Value: "qwen2"},
		{Key: "tokenizer.ggml.tokens", Value: tokens},
		{Key: "tokenizer.ggml.token_type", Value: types},
		{Key: "tokenizer.ggml.merges", Value: []string{"a b"}},
	}
}

func TestFromGGUFErrors(t *testing.T) {
	set := func(key string, value any) func(*gguf.Metadata) {
		return func(md *gguf.Metadata) { md.Set("tokenizer.ggml."+key, value) }
	}
	token := func(i int, token string, kind int32) func(*gguf.Metadata) {
		return func(md *gguf.Metadata) {
			tokens, _ := md.Texts("tokenizer.ggml.tokens")
			tokens[i] = token
			types, _ := md.Lookup("tokenizer.ggml.token_type")
			types.([]int32)[i] = kind
		}
	}
	tests := []struct {
		name   string
		change func(*gguf.Metadata)
		want   string
	}{
		{"another model", set("model", "llama"), `"tokenizer.ggml.model" is "llama": only "gpt2"`},
		{"model of another type", set("model", uint32(1)), `"tokenizer.ggml.model"`},
		{"another pre-tokenizer", set("pre", "llama-bpe"), `"tokenizer.ggml.pre" is "llama-bpe": only "qwen2"`},
		{"tokens of another type", set("tokens", []int32{1}), `"tokenizer.ggml.tokens"`},
		{"too few types", set("token_type", []int32{1}), "1 elements for the 260 tokens"},
		{"no tokens", func(md *gguf.Metadata) { set("tokens", []string{})(md); set("token_type", []int32{})(md) }, "for the byte 0x00"},
		{"a byte is missing", token('x', "nox", 1), `lacks a normal token "x" for the byte 0x78`},
		{"a byte is a control token", token('x', "x", 3), `lacks a normal token "x" for the byte 0x78`},
		{"a token twice", token(256, "<word>", 4), `tokens 256 and 258 are both "<word>"`},
		{"unknown type", token(256, "ab", 6), "token 256 is of type 6"},
		{"type out of range", token(256, "ab", 257), "token 256 is of type 257"},
		{"empty control token", token(257, "", 3), "token 257, which is found in text, has 0 bytes"},
		{"long user-defined token", token(258, strings.Repeat("w", 257), 4), "token 258, which is found in text, has 257 bytes"},
		{"merge without a space", set("merges", []string{"ab"}), `merge 0, "ab", is not two tokens`},
		{"merge of three", set("merges", []string{"a b c"}), `merge 0, "a b c": "b c" is not a normal token`},
		{"merge of an unknown token", set("merges", []string{"a b", "ab zz"}), `merge 1, "ab zz": "zz" is not a normal token`},
		{"merge to an unknown token", set("merges", []string{"b a"}), `"ba" is not a normal token`},
		{"merge to a control token", token(256, "ab", 3), `"ab" is not a normal token`},
		{"merge of nothing", set("merges", []string{" "}), `"" is not a normal token`},
		{"a merge twice", set("merges", []string{"a b", "a b"}), `merges 0 and 1 are both "a b"`},
		{"long names are cut", set("pre", strings.Repeat("x", 10000)), `is "` + strings.Repeat("x", 40) + `":`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			md := tiny()
			test.change(&md)
			_, err := FromGGUF(md)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 200 {
				t.Errorf("got error %v\nwant one line with %s", err, test.want)
			}
		})
	}
	for i, kv := range tiny() {
		if _, err := FromGGUF(slices.Delete(tiny(), i, i+1)); !errors.Is(err, gguf.ErrMissing) || !strings.Contains(err.Error(), kv.Key) {
			t.Errorf("without %s: got error %v", kv.Key, err)
		}
	}
}

// A tokenizer of any metadata that FromGGUF accepts works.
func FuzzFromGGUF(f *testing.F) {
	f.Add("gpt2", "qwen2", uint16(256), "ab", byte(1), "a b", "ab<|end|><word>")
	f.Add("gpt2", "qwen2", uint16(3), "!", byte(4), "ab a\x00b ab", "\xE2\x82a")
	f.Add("gpt2", "qwen2", uint16(258), "\u0120<", byte(3), "", " <<word>")
	f.Fuzz(func(t *testing.T, model, pre string, place uint16, token string, kind byte, merges, text string) {
		md := tiny()
		tokens, _ := md.Texts("tokenizer.ggml.tokens")
		types, _ := md.Lookup("tokenizer.ggml.token_type")
		if int(place) < len(tokens) {
			tokens[place], types.([]int32)[place] = token, int32(int8(kind))
		}
		md.Set("tokenizer.ggml.model", model)
		md.Set("tokenizer.ggml.pre", pre)
		md.Set("tokenizer.ggml.merges", strings.Split(merges, "\x00"))
		tok, err := FromGGUF(md)
		if err != nil {
			return
		}
		checkRoundTrip(t, tok, text)
		tok.Decode([]int32{int32(binary.LittleEndian.Uint16([]byte{kind, byte(place)})), int32(place)})
	})
}
