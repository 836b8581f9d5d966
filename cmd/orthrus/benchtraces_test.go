package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"orthrus/engine"
	"orthrus/engine/cpu"
	"orthrus/gguf"
)

// TestBenchTraces records an answer of the demo, and replays it on the demo and
// on random weights.
func TestBenchTraces(t *testing.T) {
	all := shapes
	defer func() { shapes = all }()
	shapes = append(slices.Clone(all), shape{"tiny", 256, 2, 2, 1, 512, true})

	dir := t.TempDir()
	plain, compressed := filepath.Join(dir, "x.json"), filepath.Join(dir, "x.json.zst")
	for _, path := range []string{plain, compressed} {
		if r := orthrus(t, "", "bench", "-p", ask18, "-n", "20", "--record", path); r.status != 0 || r.out != "" || !strings.Contains(r.err, "19 positions of 1 answer") {
			t.Fatalf("%+v", r)
		}
	}
	traces, err := readTraces(plain, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := readTraces(compressed, 4096); err != nil || !reflect.DeepEqual(again, traces) {
		t.Errorf("compressed: %v", err)
	}
	for _, args := range [][]string{{"--limits"}, {"--shape", "tiny"}} {
		r := orthrus(t, "", append([]string{"bench", "-r", "1", "--pp", "4", "--tg", "2", "-o", "json", "--replay", compressed}, args...)...)
		var b benchResult
		if err := json.Unmarshal([]byte(r.out), &b); err != nil || r.status != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		d := b.Replay
		if d == nil || b.Decode != nil || b.Assumed != 0 || b.Gain != 0 {
			t.Fatalf("%+v", b)
		}
		if d.Traces != 1 || d.AR.Tokens != replayOneByOne || d.Auto.Tokens != 19 || d.Auto.Tokens != d.Auto.Steps+d.Auto.Accepted || sum(d.Rows) != d.Auto.Steps {
			t.Errorf("%+v", d)
		}
	}

	for _, c := range []struct{ args, want string }{
		{"--record= -p x", "--record names no file"},
		{"--record x --shape 8b", "leave --shape out"},
		{"--record x --replay y", "leave --replay out"},
		{"--replay " + plain + " -p x", "leave --prompt out"},
		{"--replay " + plain + " --assume 3", "leave --assume out"},
		{"--replay " + plain + " -c 30", "raise -c"},
		{"--replay " + filepath.Join(dir, "none"), "no such file"},
		{"--record " + filepath.Join(dir, "none", "x") + " -p x -n 2", "cannot write"},
	} {
		if r := orthrus(t, "", append([]string{"bench"}, strings.Fields(c.args)...)...); r.status == 0 || r.out != "" || !strings.Contains(r.err, c.want) {
			t.Errorf("%s: %+v", c.args, r)
		}
	}
}

func TestBenchReplayFormats(t *testing.T) {
	r := sampleResult()
	r.Decode, r.Replay = nil, &benchReplay{Traces: 2, Rows: []int{0, 1, 3}}
	for range 2 {
		r.Replay.AR.add(engine.Stats{Tokens: 9, Accepted: make([]int, 8), DecodeTime: 8e8})
		r.Replay.Auto.add(engine.Stats{Tokens: 10, Accepted: []int{2, 2, 2}, Verified: 8, DecodeTime: 3e8})
	}
	r.conclude()
	for output, want := range map[string]string{
		"csv": "\"replay, auto\",18,600,,30,,3,,\n",
		"md":  "| rows drafted | steps |  share |",
		"table": "Replaying 2 answers: 18 tokens in 6 steps, 3.00 tokens a step, 75.0 % of 16 drafts accepted.\n" +
			"Measured: 30.0 tokens/s in auto, 10.0 one by one: 3.00 times as fast.\n",
	} {
		var b strings.Builder
		if err := r.write(&b, output); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%s lacks %q: %v\n%s", output, want, err, b.String())
		}
	}
}

// compress is a file of traces as --record writes it.
func compress(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	z.Write([]byte(text))
	z.Close()
	return b.Bytes()
}

const someTrace = `[{"prompt": 3, "widths": [2, 4], "steps": [{"accepted": [0, 2], "chances": [[10], [900, 800, 0]]}, {"accepted": [1, 1], "chances": [[999], [999, 1000, 1]]}]}]`

func TestParseTraces(t *testing.T) {
	for in, want := range map[string]string{
		someTrace:                      "",
		string(compress(t, someTrace)): "",
		"":                             "not a list",
		"{}":                           "not a list",
		"[]":                           "no position",
		"[null]":                       "trace 0 is null",
		someTrace + "[]":               "follows",
		someTrace[:40]:                 "not a list",
		strings.Replace(someTrace, "prompt", "promt", 1):              "unknown field",
		strings.Replace(someTrace, "3", "63", 1):                      "raise -c",
		strings.Replace(someTrace, "900", "70000", 1):                 "not a list",
		strings.Replace(someTrace, "900", "-1", 1):                    "trace 0: steps[0]",
		string(compress(t, someTrace)[:30]):                           "unexpected EOF",
		string(compress(t, strings.Repeat(" ", maxTraces)+someTrace)): "decompressed size exceeds",
	} {
		if _, err := parseTraces([]byte(in), 64); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", in, err, want)
		}
	}
	path := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, maxTraces+1); err != nil {
		t.Fatal(err)
	}
	if _, err := readTraces(path, 64); err == nil || !strings.Contains(err.Error(), "larger than 32") {
		t.Errorf("a large file: %v", err)
	}
}

// FuzzTraces replays whatever is read.
func FuzzTraces(f *testing.F) {
	f.Add([]byte(someTrace))
	f.Add(compress(f, someTrace))
	weights, err := engine.Random(engine.Config{
		Arch: "orthrus", Layers: 1, Hidden: 32, Heads: 1, KVHeads: 1, HeadDim: 32, FF: 32, Vocab: 8,
		Context: 64, Eps: 1e-6, Rope: engine.NewRope(1e6, 32), BlockSize: 8,
	}, true, func(string, int) gguf.Type { return gguf.F32 })
	if err != nil {
		f.Fatal(err)
	}
	net, err := engine.Place(weights, cpu.New(1), nil)
	if err != nil {
		f.Fatal(err)
	}
	d, err := engine.NewDecoder(net, engine.DecoderOptions{Context: 64, Cache: gguf.F16})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		traces, err := parseTraces(data, d.Context())
		if err != nil {
			return
		}
		for _, trace := range traces {
			for _, mode := range []engine.Mode{engine.Auto, engine.DraftMode, engine.ARMode} {
				stats, err := d.Replay(context.Background(), trace, engine.GenerateOptions{Mode: mode})
				if err != nil || stats.Tokens != len(trace.Steps) {
					t.Fatalf("mode %d: %d tokens of %d: %v", mode, stats.Tokens, len(trace.Steps), err)
				}
			}
		}
	})
}
