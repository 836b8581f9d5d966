// Package golden is test code: the demo checkpoint as a model, what the reference implementation makes of it, and the
// tests of decoding that every backend has to pass.
package golden

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"orthrus/convert"
	"orthrus/engine"
	"orthrus/gguf"
)

// Case is a prompt and what the reference implementation in float32 makes of it.
type Case struct {
	IDs       []int32 `json:"input_ids"`
	AR        []int32 `json:"ar_ids"`        // the answer one by one
	Diffusion []int32 `json:"diffusion_ids"` // the answer by drafts of a whole block
	Accepted  []int   `json:"accepted"`      // drafts, in every step
}

// Tokens is the reference's max_new_tokens.
const Tokens = 160

var readCases = sync.OnceValues(func() (cases []Case, err error) {
	path, err := inRepository("engine/testdata/demo_decode.json")
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct{ Cases []Case }
	err = json.Unmarshal(data, &file)
	return file.Cases, err
})

// Cases are the golden cases.
func Cases(t testing.TB) []Case {
	t.Helper()
	cases, err := readCases()
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// Every gives the numbers of every n-th case.
func Every(t testing.TB, n int) (list []int) {
	t.Helper()
	for i := 0; i < len(Cases(t)); i += n {
		list = append(list, i)
	}
	return list
}

// Cheapest gives the numbers of the n cases that take an emulated GPU least time, where a step costs what ten tokens do.
func Cheapest(t testing.TB, n int) []int {
	t.Helper()
	cases, list := Cases(t), Every(t, 1)
	cost := func(i int) int { return len(cases[i].AR) + 10*len(cases[i].Accepted) }
	slices.SortStableFunc(list, func(i, j int) int { return cost(i) - cost(j) })
	return list[:n]
}

// Text is a text of n tokens: prompts and answers in a row.
func Text(t testing.TB, n int) (text []int32) {
	t.Helper()
	for _, c := range Cases(t) {
		text = slices.Concat(text, c.IDs, c.AR)
	}
	return text[:n]
}

// inRepository gives the path of a file of the repository, whose root is the folder of go.mod above the test's package.
func inRepository(path string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, filepath.FromSlash(path)), nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod here or above: tests read files of the repository")
		}
		dir = up
	}
}

var models struct {
	sync.Mutex
	of map[[2]string]*engine.Model
}

// Model is the demo checkpoint, converted to a type of weights as convert does by default.
func Model(t testing.TB, typ string) *engine.Model {
	t.Helper()
	return ModelOf(t, typ, "")
}

// ModelOf is Model with a type of the diffusion projections. A model is made once; its file stays mapped.
func ModelOf(t testing.TB, typ, diff string) *engine.Model {
	t.Helper()
	models.Lock()
	defer models.Unlock()
	key := [2]string{typ, diff}
	if m := models.of[key]; m != nil {
		return m
	}
	checkpoint, err := inRepository("convert/testdata/orthrus-demo-18m")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "orthrus-golden")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir) // Windows keeps what is mapped
	out := filepath.Join(dir, "demo.gguf")
	if _, err := convert.Convert(t.Context(), checkpoint, convert.Options{Out: out, Type: typ, DiffType: diff, View: "both"}); err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	if models.of == nil {
		models.of = map[[2]string]*engine.Model{}
	}
	models.of[key] = m
	return m
}

// Place puts a model on a backend, which is closed when the test ends.
func Place(t testing.TB, m *engine.Model, b engine.Backend) *engine.Net {
	t.Helper()
	t.Cleanup(func() { b.Close() })
	n, err := engine.Place(m, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Decoder is a decoder until the test ends.
func Decoder(t testing.TB, n *engine.Net, o engine.DecoderOptions) *engine.Decoder {
	t.Helper()
	d, err := engine.NewDecoder(n, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// Generate returns the tokens of an answer.
func Generate(t testing.TB, d *engine.Decoder, prompt []int32, o engine.GenerateOptions) ([]int32, engine.Stats) {
	t.Helper()
	var ids []int32
	stats, err := d.Generate(t.Context(), prompt, o, func(id int32) bool {
		ids = append(ids, id)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids, stats
}
