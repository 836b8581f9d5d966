package cpu

import (
	"strings"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
)

func TestCacheMemory(t *testing.T) {
	b := New(1)
	defer b.Close()
	g := engine.Geometry{Layers: 36, Heads: 32, KVHeads: 8, HeadDim: 128, Vocab: 8, Context: 1 << 28, Rows: 1, Cache: gguf.F32}
	if _, err := b.Open(g); err == nil || !strings.Contains(err.Error(), "lower -c") {
		t.Errorf("a cache of 79 TB: %v", err)
	}
	g.Context = 100
	c, err := b.Open(g)
	if err != nil {
		t.Fatal(err)
	}
	// 36 layers of keys and values of 8 heads, up to whole blocks of keys.
	if n := c.Memory().Cache; n < 2*36*8*100*512 || n > 2*36*8*512*512 {
		t.Errorf("a cache of 100 positions takes %d bytes", n)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
