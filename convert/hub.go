package convert

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// repository is the name of a Hugging Face repository: org/model.
var repository = regexp.MustCompile(`^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$`)

// findFolder returns the folder of a checkpoint and the model's name. What is
// no folder but looks like a repository is looked up in the local cache.
func findFolder(dir string) (folder, name string, err error) {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		abs, err := filepath.Abs(dir)
		return dir, modelName(abs), err
	case err == nil:
		return "", "", fmt.Errorf("%s: not a folder: give the checkpoint's (quantize takes GGUF files)", dir)
	case !errors.Is(err, fs.ErrNotExist) || !repository.MatchString(dir):
		return "", "", fmt.Errorf("%w: give a checkpoint's folder, or ORG/MODEL of the local hub cache", err)
	}
	cache, err := hubCache()
	if err != nil {
		return "", "", err
	}
	repo := filepath.Join(cache, "models--"+strings.ReplaceAll(dir, "/", "--"))
	commit, err := os.ReadFile(filepath.Join(repo, "refs", "main"))
	hash := strings.TrimSpace(string(commit))
	snapshot := filepath.Join(repo, "snapshots", hash)
	if err == nil && plainName(hash) {
		if info, err := os.Stat(snapshot); err == nil && info.IsDir() {
			return snapshot, filepath.Base(dir), nil
		}
	}
	return "", "", fmt.Errorf("%s: neither a folder nor a model in the cache %s: download it with `hf download %s`", dir, cache, dir)
}

// modelName is a folder's name, or, where the folder is a snapshot in the cache
// (models--org--name/snapshots/commit), the repository's without its owner.
func modelName(abs string) string {
	repo, snapshots := filepath.Split(filepath.Dir(abs))
	owned, isRepo := strings.CutPrefix(filepath.Base(repo), "models--")
	if _, name, ok := strings.Cut(owned, "--"); snapshots == "snapshots" && isRepo && ok {
		return name
	}
	return filepath.Base(abs)
}

// hubCache is the folder where huggingface_hub keeps repositories.
func hubCache() (string, error) {
	if cache := os.Getenv("HF_HUB_CACHE"); cache != "" {
		return cache, nil
	}
	home := os.Getenv("HF_HOME")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		home = filepath.Join(cmp.Or(os.Getenv("XDG_CACHE_HOME"), filepath.Join(user, ".cache")), "huggingface")
	}
	return filepath.Join(home, "hub"), nil
}
