package convert

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestHub converts from a cache laid out as huggingface_hub does, with links to
// the files' contents.
func TestHub(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HF_HOME", home)
	t.Setenv("HF_HUB_CACHE", "")
	repo := filepath.Join(home, "hub", "models--org--my-model")
	snapshot := filepath.Join(repo, "snapshots", "0123abc")
	for _, dir := range []string{snapshot, filepath.Join(repo, "refs")} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(repo, "refs", "main"), []byte("0123abc"))
	blobs := newTiny(true, true, "BF16").write(t)
	entries, err := os.ReadDir(blobs)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		from, to := filepath.Join(blobs, e.Name()), filepath.Join(snapshot, e.Name())
		if runtime.GOOS == "windows" { // where huggingface_hub copies too
			data, _ := os.ReadFile(from)
			writeFile(t, to, data)
		} else if err := os.Symlink(from, to); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(t.TempDir())
	r, err := Convert(t.Context(), "org/my-model", Options{Type: "f16"})
	if err != nil || r.Path != "my-model-f16.gguf" {
		t.Fatalf("%+v, error %v", r, err)
	}
	checkMetadata(t, openFile(t, r.Path).Metadata, map[string]any{"general.name": "my-model"})
	if r, err = Convert(t.Context(), snapshot, Options{Type: "bf16"}); err != nil || r.Path != "my-model-bf16.gguf" {
		t.Errorf("%+v, error %v", r, err)
	}

	for _, c := range []struct{ name, ref, want string }{
		{"org/other", "", "download it with `hf download org/other`"},
		{"org/my-model", "../../../", "hf download org/my-model"},
		{"org/my-model", "..", "hf download org/my-model"},
		{"org/my-model", "fff", "hf download org/my-model"},
		{"org/my/model", "0123abc", "org/my/model"},
		{"../my-model", "0123abc", "my-model"},
		{"nothing", "0123abc", "nothing"},
	} {
		writeFile(t, filepath.Join(repo, "refs", "main"), []byte(c.ref))
		if _, err := Convert(t.Context(), c.name, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s at %q: error %v, want one with %q", c.name, c.ref, err, c.want)
		}
	}
}
