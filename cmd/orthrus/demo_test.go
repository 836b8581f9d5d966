package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/engine/cpu"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// TestDemoKeepsGoldenOutputs counts how many of the reference's 64 outputs in
// float32 the quantized demo model gives token for token.
func TestDemoKeepsGoldenOutputs(t *testing.T) {
	if len(demoArchive) > 16_000_000 {
		t.Errorf("the archive has %d bytes, more than 16 MB", len(demoArchive))
	}
	data, err := demoData()
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	m, err := engine.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	d := golden.Decoder(t, golden.Place(t, m, cpu.New(0)), engine.DecoderOptions{Context: 512, Cache: gguf.F16})
	cases := golden.Cases(t)
	same, tokens, steps := 0, 0, 0
	for _, c := range cases {
		ids, stats := golden.Generate(t, d, c.IDs, engine.GenerateOptions{Mode: engine.DraftMode, MaxTokens: golden.Tokens})
		if slices.Equal(ids, c.AR) {
			same++
		}
		tokens, steps = tokens+len(ids), steps+len(stats.Accepted)
	}
	t.Logf("%d of %d outputs kept, %.2f tokens a step", same, len(cases), float64(tokens)/float64(steps))
	if same < 56 {
		t.Errorf("%d of %d golden outputs kept, want 56", same, len(cases))
	}
}

// TestDemoWithoutCache opens the demo where no folder can be made for it.
func TestDemoWithoutCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData"} {
		t.Setenv(name, file)
	}
	if out := runJSON(t, "-p", ask18, "--temp", "0"); out.Text != count18 {
		t.Errorf("%+v", out)
	}
}
