//go:build emulator && linux

package metal

import (
	"strings"
	"testing"

	"orthrus/engine"
	"orthrus/gguf"
	"orthrus/internal/golden"
)

// TestReserve has ever less memory for a model and a context, and follows the advice.
func TestReserve(t *testing.T) {
	m := golden.Model(t, "q8_0")
	o := engine.DecoderOptions{Context: 2048, Cache: gguf.F16}
	g, err := m.Geometry(engine.DecoderOptions{Context: 2048, Cache: gguf.F16, Chunk: new(Backend).Chunk()})
	if err != nil {
		t.Fatal(err)
	}
	n := contextMemory(g)
	all := m.Bytes() + n.Bytes()
	reserve := func(memory int64, o engine.DecoderOptions) error {
		return newBackend(&emulated{props: properties{name: "small", memory: memory}}).Reserve(m, o)
	}
	if err := reserve(all, o); err != nil {
		t.Errorf("with all that is needed: %v", err)
	}
	for _, c := range []struct {
		memory int64
		want   []string
	}{
		{all - 1, []string{"for a context of 2048 tokens", "-c 1792 or --cache-type q8_0 "}},
		{all - n.Cache*3/4, []string{"would fit"}},
		{m.Bytes(), []string{"use -b cpu"}},
	} {
		err := reserve(c.memory, o)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("with %d bytes: error %v, want one line with %q", c.memory, err, want)
			}
		}
	}
	o.Context = 1792
	if err := reserve(all-1, o); err != nil {
		t.Errorf("with the context of the advice: %v", err)
	}
}
