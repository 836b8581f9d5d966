package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"orthrus/gguf"
)

const checkpoint = "../../convert/testdata/orthrus-demo-18m"

// TestConvertAndQuantize makes files and runs them.
func TestConvertAndQuantize(t *testing.T) {
	dir := t.TempDir()
	bf16, q4, ar := filepath.Join(dir, "bf16.gguf"), filepath.Join(dir, "q4.gguf"), filepath.Join(dir, "ar.gguf")
	for _, args := range [][]string{
		{"convert", checkpoint, "-o", bf16, "--type", "BF16"},
		{"quantize", bf16, q4, "q4_0", "--diff-type", "q8_0", "-t", "1"},
		{"convert", checkpoint, "-o", ar, "--type", "q8_0", "--view", "ar"},
	} {
		if r := orthrus(t, "", args...); r != (result{}) {
			t.Fatalf("%q: %+v", args, r)
		}
	}
	for path, mode := range map[string]string{bf16: "auto", q4: "auto", ar: "ar"} {
		out := runJSON(t, "-m", path, "--no-think", "-p", ask18, "--temp", "0")
		if out.Text != count18 || out.Mode != mode {
			t.Errorf("%s: %+v", path, out)
		}
	}
	if r := orthrus(t, "", "run", "-m", ar, "-p", "x", "--mode", "diffusion"); r.status != statusFailure || !strings.Contains(r.err, "--mode ar") {
		t.Errorf("drafting without a diffusion view: %+v", r)
	}

	r := orthrus(t, "", "inspect", q4)
	for _, want := range []string{"orthrus runs it: draft and verify", `general.architecture`, `"orthrus"`, "blk.11.attn_q_diff.weight", "256 x 512", "18.62 M parameters"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("inspect lacks %q", want)
		}
	}
	var x inspection
	if err := json.Unmarshal([]byte(orthrus(t, "", "inspect", "--json", q4).out), &x); err != nil {
		t.Fatal(err)
	}
	if !x.Runs || len(x.Tensors) != 206 || x.Parameters != 18624768 || x.Types[0].Type != "q4_0" {
		t.Errorf("inspect --json: runs %t, %d tensors, %d parameters, types %+v", x.Runs, len(x.Tensors), x.Parameters, x.Types)
	}
}

// TestInspectStranger shows a file of another architecture with hostile names.
func TestInspectStranger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	var md gguf.Metadata
	md.Set("general.architecture", "lla\x1b[2Jma")
	md.Set("list", []string{"a", "b", "c", "d", "e", "f", "g\x07"})
	md.Set("nan", []float32{float32(math.NaN())})
	w, err := gguf.Create(path, md, []gguf.TensorInfo{{Name: "te\x1bnsor", Type: gguf.F32, Dims: []int{2, 3}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WriteAt(0, make([]byte, 24), 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r := orthrus(t, "", "inspect", path)
	if r.status != 0 || strings.ContainsAny(r.out, "\x1b\x07") {
		t.Errorf("status %d, %q", r.status, r.out)
	}
	for _, want := range []string{"orthrus does not run it: general.architecture is", `7: ["a", "b", "c", "d", "e", "f", ...]`, "2 x 3", "32.00 bits per weight"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("inspect lacks %q:\n%s", want, r.out)
		}
	}
	if r := orthrus(t, "", "inspect", "--json", path); r.status != 0 || !json.Valid([]byte(r.out)) {
		t.Errorf("inspect --json: %+v", r)
	}
	r = orthrus(t, "", "run", "-m", path, "-p", "x")
	if r.status != statusFailure || strings.Contains(r.err, "\x1b") {
		t.Errorf("run: %+v", r)
	}
	checkErrorLine(t, r)
}

func TestTokenize(t *testing.T) {
	var out struct {
		Tokens []int32
		Pieces []string
	}
	tokens := func(stdin string, args ...string) []int32 {
		t.Helper()
		r := orthrus(t, stdin, append([]string{"tokenize", "--json"}, args...)...)
		if err := json.Unmarshal([]byte(r.out), &out); err != nil || r.status != 0 {
			t.Fatalf("%q: %+v, %v", args, r, err)
		}
		return out.Tokens
	}
	want := tokens("", "Hello world")
	if strings.Join(out.Pieces, "") != "Hello world" {
		t.Errorf("pieces %q", out.Pieces)
	}
	if got := tokens("Hello world"); !reflect.DeepEqual(got, want) {
		t.Errorf("standard input: %v, want %v", got, want)
	}
	if got := tokens("", "--special", "<|im_end|>"); !reflect.DeepEqual(got, []int32{8162}) {
		t.Errorf("--special: %v", got)
	}
	if got := tokens("", "<|im_end|>"); len(got) < 2 {
		t.Errorf("a control token is found in plain text: %v", got)
	}
	if got := tokens("", ""); got == nil || len(got) > 0 {
		t.Errorf("no text: %v", got)
	}
	if r := orthrus(t, "", "tokenize", "a\n"); r.out != "    64  \"a\"\n   198  \"\\n\"\n" {
		t.Errorf("%q", r.out)
	}
}

// TestBench measures the demo model, in short.
func TestBench(t *testing.T) {
	prompts := filepath.Join(t.TempDir(), "prompts")
	if err := os.WriteFile(prompts, []byte(ask18+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := orthrus(t, "", "bench", "-r", "1", "--pp", "16", "--tg", "4", "-n", "40", "-f", prompts, "-o", "json")
	var b benchResult
	if err := json.Unmarshal([]byte(r.out), &b); err != nil || r.status != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if len(b.Tests) != 2 || len(b.Passes) != len(passRows) || b.Random || b.Block != 32 || b.BreakEven <= 0 {
		t.Errorf("%+v", b)
	}
	d := b.Decode
	if d == nil || d.Prompts != 1 || d.Same != 1 || d.AR.Tokens != 39 || d.Draft.Tokens != 39 || sum(d.Histogram) != d.Draft.Steps {
		t.Errorf("%+v", d)
	}
	accepted := 0
	for n, steps := range d.Histogram {
		accepted += n * steps
	}
	if accepted != d.Draft.Accepted || accepted < 20 {
		t.Errorf("the histogram adds up to %d accepted drafts, the total is %d", accepted, d.Draft.Accepted)
	}
}

// TestBenchShape measures random weights of a shape that is small but for its
// vocabulary.
func TestBenchShape(t *testing.T) {
	all := shapes
	defer func() { shapes = all }()
	shapes = append(slices.Clone(all), shape{"tiny", 256, 2, 2, 1, 512, true})
	r := orthrus(t, "", "bench", "--shape", "Tiny", "--type", "Q4_K_S", "-r", "1", "--pp", "4", "--tg", "2", "--assume", "3", "-o", "json")
	var b benchResult
	if err := json.Unmarshal([]byte(r.out), &b); err != nil || r.status != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if b.Model != "random tiny" || b.Type != "q4_k_s" || !b.Random || b.Decode != nil || b.Parameters < 256*151936 || len(b.Passes) != len(passRows) {
		t.Errorf("%+v", b)
	}
	if b.Assumed != 3 || math.Abs(b.Gain-3/b.BreakEven) > 1e-9 {
		t.Errorf("assumed %g, break-even %g, gain %g", b.Assumed, b.BreakEven, b.Gain)
	}
}
