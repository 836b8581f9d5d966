package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orthrus/gguf"
)

// rewrite copies the demo model with other metadata and returns its path.
func rewrite(t *testing.T, change func(gguf.Metadata) gguf.Metadata) string {
	t.Helper()
	f, err := openDemo()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	infos := make([]gguf.TensorInfo, len(f.Tensors))
	for i, x := range f.Tensors {
		infos[i] = gguf.TensorInfo{Name: x.Name, Type: x.Type, Dims: x.Dims}
	}
	path := filepath.Join(t.TempDir(), "rewritten.gguf")
	w, err := gguf.Create(path, change(slices.Clone(f.Metadata)), infos)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i, x := range f.Tensors {
		if err := w.WriteAt(i, x.Data, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func without(md gguf.Metadata, keys ...string) gguf.Metadata {
	return slices.DeleteFunc(md, func(kv gguf.KV) bool { return slices.Contains(keys, kv.Key) })
}

// TestChatML runs a file without a template, whose end token is found by name.
func TestChatML(t *testing.T) {
	path := rewrite(t, func(md gguf.Metadata) gguf.Metadata {
		return without(md, "tokenizer.chat_template", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eog_token_ids")
	})
	want := runJSON(t, "-p", ask18, "--temp", "0")
	got := runJSON(t, "-m", path, "--no-think", "-p", ask18, "--temp", "0")
	if got.Text != count18 || !slices.Equal(got.Tokens, want.Tokens) || got.Stop != "eos" {
		t.Errorf("%+v, want the tokens of %+v", got, want)
	}
	if r := orthrus(t, ask18, "chat", "-m", path, "--no-think", "--temp", "0"); r.status != 0 || r.out != count18+"\n" {
		t.Errorf("chat: %+v", r)
	}
}

// TestNoTemplate runs a file that has no template and no tokens for ChatML.
func TestNoTemplate(t *testing.T) {
	path := rewrite(t, func(md gguf.Metadata) gguf.Metadata {
		tokens, err := md.Texts("tokenizer.ggml.tokens")
		if err != nil {
			t.Fatal(err)
		}
		tokens = slices.Clone(tokens)
		tokens[slices.Index(tokens, "<|im_start|>")] = "<|begin|>"
		md = without(md, "tokenizer.chat_template")
		md.Set("tokenizer.ggml.tokens", tokens)
		return md
	})
	args := []string{"run", "-m", path, "-p", "func main() {", "--temp", "0", "-n", "20"}
	r, raw := orthrus(t, "", args...), orthrus(t, "", append(args, "--raw")...)
	if r.status != 0 || r != raw {
		t.Errorf("%+v, want what --raw gives: %+v", r, raw)
	}
	for _, args := range [][]string{append(args, "--system", "x"), {"chat", "-m", path}} {
		r := orthrus(t, "", args...)
		if r.status != statusFailure || !strings.Contains(r.err, path+": tokenizer.chat_template is missing") {
			t.Errorf("%q: %+v", args, r)
		}
		checkErrorLine(t, r)
	}
	if r := orthrus(t, "", "bench", "-m", path, "-r", "1", "--pp", "0", "--tg", "0", "-n", "4", "-p", "x"); r.status != 0 || !strings.Contains(r.out, "prompts, one by one") {
		t.Errorf("bench: %+v", r)
	}
}

// TestTemplateTokens checks that a template knows the special tokens' texts.
func TestTemplateTokens(t *testing.T) {
	path := rewrite(t, func(md gguf.Metadata) gguf.Metadata {
		md.Set("tokenizer.chat_template", "{{ messages[0].content }}{{ eos_token }}")
		return md
	})
	m, err := (&runFlags{model: modelFlags{path: path, cacheType: "f16"}}).start(&console{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.close()
	if text, err := m.opening(&templateFlags{}, "x"); err != nil || text != "x<|im_end|>" {
		t.Errorf("%q, %v", text, err)
	}
}
