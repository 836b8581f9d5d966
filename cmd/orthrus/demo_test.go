package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/engine/cpu"
	"orthrus/gguf"
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
	b := cpu.New(0)
	defer b.Close()
	net, err := engine.Place(m, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			IDs []int32 `json:"input_ids"`
			AR  []int32 `json:"ar_ids"`
		}
	}
	text, err := os.ReadFile("../../engine/testdata/demo_decode.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	d, err := engine.NewDecoder(net, engine.DecoderOptions{Context: 512, Cache: gguf.F16})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	same, tokens, steps := 0, 0, 0
	for _, g := range golden.Cases {
		var ids []int32
		stats, err := d.Generate(context.Background(), g.IDs, engine.GenerateOptions{Mode: engine.DraftMode, MaxTokens: 160}, func(id int32) bool {
			ids = append(ids, id)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(ids, g.AR) {
			same++
		}
		tokens, steps = tokens+len(ids), steps+len(stats.Accepted)
	}
	t.Logf("%d of %d outputs kept, %.2f tokens a step", same, len(golden.Cases), float64(tokens)/float64(steps))
	if same < 56 {
		t.Errorf("%d of %d golden outputs kept, want 56", same, len(golden.Cases))
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
