package main

import (
	"encoding/csv"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"orthrus/engine"
	"orthrus/gguf"
)

func sampleResult() *benchResult {
	diff := func(n int, s float64) *benchTest {
		t := newTest("diffusion", n, samples{s, s, s}, engine.Work{Bytes: 5e8})
		return &t
	}
	r := &benchResult{
		Machine: "a machine", Backend: "cpu", Threads: 2, Cache: "f16", Model: "m|odel", Type: "q4_k", Size: 3 << 20, Parameters: 2_500_000, Block: 4,
		Limits: []limits{{Read: 10, Int8: 300}, {Read: 8, Int8: 400}},
		Tests:  []benchTest{newTest("pp512", 512, samples{1, 2, 4}, engine.Work{Bytes: 1e8, MultiplyAdds: 4e11})},
		Passes: []benchPass{
			{Rows: 1, AR: newTest("ar", 1, samples{0.01}, engine.Work{Bytes: 1e8}), Diffusion: diff(1, 0.02)},
			{Rows: 4, AR: newTest("ar", 4, samples{0.015}, engine.Work{Bytes: 1e8}), Diffusion: diff(4, 0.025), Step: diff(4, 0.04)},
		},
		Decode: &benchDecode{Prompts: 3, Same: 3, Histogram: make([]int, 4)},
	}
	run := func(ms int, verified int, accepted ...int) engine.Stats {
		return engine.Stats{
			Tokens: 1 + len(accepted) + sum(accepted), Accepted: accepted, Verified: verified, Forwards: 2 * len(accepted),
			DecodeTime: time.Duration(ms) * time.Millisecond,
		}
	}
	for i, runs := range []map[engine.Mode]engine.Stats{
		{engine.ARMode: run(190, 0, make([]int, 19)...), engine.DraftMode: run(300, 18, 0, 2, 2, 3, 3, 3), engine.Auto: run(100, 15, 2, 2, 3, 3, 3, 0)},
		{engine.ARMode: run(150, 0, make([]int, 15)...), engine.DraftMode: run(100, 12, 2, 3, 3, 3), engine.Auto: run(180, 14, 3, 3, 3, 2)},
		{engine.ARMode: run(0, 0), engine.DraftMode: run(0, 0), engine.Auto: run(1, 0)}, // ends with its first token
	} {
		r.Decode.add(i+1, runs)
	}
	r.conclude()
	return r
}

func TestBenchConclusion(t *testing.T) {
	r := sampleResult()
	near := func(name string, got, want float64) {
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %g, want %g", name, got, want)
		}
	}
	near("pp512 median t/s", r.Tests[0].TPS, 256)
	near("pp512 ms", r.Tests[0].MS, 2000)
	near("pp512 stddev of ms", r.Tests[0].MSStddev, 1000*math.Sqrt(7.0/3))
	near("T(4)/T(1)", r.Passes[1].ARRatio, 1.5)
	near("floor of computing", r.Tests[0].FloorMS, 2000)
	near("floor of reading", r.Passes[1].Diffusion.FloorMS, 50)
	near("share", r.Passes[1].AR.Share, 10./15)
	near("break-even", r.BreakEven, 4)
	near("tokens a step", r.Decode.Draft.TokensPerStep, 3.4)
	near("gain", r.Gain, 0.85)
	near("auto's speed", r.Decode.Auto.TPS, 34/0.281)
	near("auto's slowest", r.Decode.SlowestTime, 1.2)
	if d := r.Decode; d.SlowestPrompt != 2 || !reflect.DeepEqual(d.Histogram, []int{1, 0, 3, 6}) || d.Auto.Verified != 29 || d.AR.Tokens != 34 {
		t.Errorf("%+v", d)
	}
	near("estimate", r.Estimate, 85)
	near("even median", samples{4, 1, 3, 2}.median(), 2.5)

	r.Decode, r.Assumed, r.Random = nil, 8, true
	r.conclude()
	near("assumed gain", r.Gain, 2)
	if s := strings.Join(r.conclusion(), "\n"); !strings.Contains(s, "assumed, not measured") {
		t.Errorf("the conclusion does not say that acceptance is assumed: %s", s)
	}
}

func TestBenchFormats(t *testing.T) {
	r := sampleResult()
	format := func(output string) string {
		t.Helper()
		var b strings.Builder
		if err := r.write(&b, output); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	var back benchResult
	if err := json.Unmarshal([]byte(format("json")), &back); err != nil || !reflect.DeepEqual(&back, r) {
		t.Errorf("json does not carry the result: %v, %+v", err, back)
	}

	rows, err := csv.NewReader(strings.NewReader(format("csv"))).ReadAll()
	if err != nil || len(rows) != 1+1+5+3 {
		t.Fatalf("csv has %d rows, %v; want a head, 1 test, 4 passes, 1 step, 3 decodings", len(rows), err)
	}
	want := []string{"a machine", "f16", "10", "400", "m|odel", "q4_k", "3145728", "2500000", "cpu", "2", "pp512", "512", "2000"}
	if got := append(rows[1][:len(want):len(want)], rows[1][17:]...); !reflect.DeepEqual(got, append(want, "2000", "1")) {
		t.Errorf("csv row %q, want %q", got, want)
	}

	for _, output := range []string{"table", "md"} {
		text := format(output)
		for _, want := range []string{"a machine, f16 cache\nbefore the tests: reads 10.0 GB/s, computes 300 GOPS in int8\nafter the tests: reads 8.0 GB/s", "100.0 %", "66.7 %", "3.00 MiB", "2.50 M", "256.00 ± ", "15.00 ± 0.00", "Break-even here with blocks of 4: 4.00 tokens a step, 3.00 accepted drafts.", "80.0 % of 30 drafts", "prompts, auto", "82.8 % of 29 drafts accepted. Its slowest prompt, number 2, takes 1.20 times"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", output, want, text)
			}
		}
	}
	// Every line of a Markdown table has as many cells as its head.
	for _, block := range strings.Split(format("md"), "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		if !strings.HasPrefix(lines[0], "|") {
			continue
		}
		for _, line := range lines {
			cells := strings.ReplaceAll(line, `\|`, "")
			if strings.Count(cells, "|") != strings.Count(lines[0], "|") {
				t.Errorf("md line %q does not fit the head %q", line, lines[0])
			}
		}
	}
}

func TestBenchType(t *testing.T) {
	for id, want := range map[uint32]string{15: "q4_k_m", 18: "q6_k", 999: "q6_k"} {
		path := rewrite(t, func(md gguf.Metadata) gguf.Metadata {
			md.Set("general.file_type", id)
			return md
		})
		f := &benchFlags{model: modelFlags{path: path}}
		m, err := f.open(&console{})
		if err != nil {
			t.Fatal(err)
		}
		if got := (&bench{m: m, f: f}).typeName(); got != want {
			t.Errorf("file type %d: %s, want %s", id, got, want)
		}
		m.close()
	}
}

func TestParsePrompts(t *testing.T) {
	for in, want := range map[string][]string{
		"one\n\n  two \r\n": {"one", "two"},
		`["a\nb", "c"]`:     {"a\nb", "c"},
		`{"summary": {}, "cases": [{"prompt": "a", "text": 1}]}`: {"a"},
	} {
		if got, err := parsePrompts(in); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", "\n", "[]", "{}", `["a", ""]`, `{"cases": 3}`, `[1]`, `{"cases"`} {
		if got, err := parsePrompts(in); err == nil {
			t.Errorf("%q: accepted as %q", in, got)
		}
	}
}

// TestBenchLimits measures this machine and holds a model against it.
func TestBenchLimits(t *testing.T) {
	r := orthrus(t, "", "bench", "--limits", "-r", "1", "--pp", "4", "--tg", "2", "-n", "2", "-p", "x", "-o", "json")
	var b benchResult
	if err := json.Unmarshal([]byte(r.out), &b); err != nil || r.status != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if len(b.Limits) != 2 || !(b.Limits[0].Read > 0 && b.Limits[1].Int8 > 0) {
		t.Fatalf("limits: %+v", b.Limits)
	}
	for _, test := range b.all() {
		if !(test.FloorMS > 0 && test.Share > 0) || test.Work.Bytes < b.Size/2 || test.Work.MultiplyAdds < b.Parameters/2 {
			t.Errorf("%+v", test)
		}
	}
}

// TestBenchDepth measures behind a filled cache.
func TestBenchDepth(t *testing.T) {
	r := orthrus(t, "", "bench", "-d", "1000", "-r", "1", "--pp", "4", "--tg", "2", "-n", "2", "-p", "x", "-o", "json")
	var b benchResult
	if err := json.Unmarshal([]byte(r.out), &b); err != nil || r.status != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if b.Depth != 1000 || b.Tests[0].Name != "pp4 @ d1000" || b.Tests[1].Name != "tg2 @ d1000" {
		t.Errorf("depth %d, tests %+v", b.Depth, b.Tests)
	}
	// Positions 1001 and 1002 are 3 more than twice 1000, in 12 layers of 2 heads of 128 keys and values in f16.
	if more := b.Tests[1].Work.Bytes - 2*b.Passes[0].AR.Work.Bytes; more != 3*12*2*2*128*2 {
		t.Errorf("tg2 reads %d bytes more than two passes at 1000", more)
	}
	for args, want := range map[string]string{
		"bench -d 5000":        "at most 4096",
		"bench -d 100 -c 600":  "context of 612",
		"bench -d -1":          "counts",
		"bench --pp 999999999": "at most 268435456 tokens",
	} {
		if r := orthrus(t, "", strings.Fields(args)...); r.status == 0 || !strings.Contains(r.err, want) {
			t.Errorf("%s: %+v", args, r)
		}
	}
}
