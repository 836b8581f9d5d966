//go:build emulator && linux

package cuda

import (
	"slices"
	"testing"

	"orthrus/engine"
	"orthrus/internal/golden"
)

// decode gives the tokens behind a prompt that is long enough for all kinds of products, and closes the backend.
func decode(t *testing.T, b *Backend) []int32 {
	t.Helper()
	m := randomModel(t)
	if err := b.Reserve(m, options); err != nil {
		t.Fatal(err)
	}
	n, err := engine.Place(m, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := engine.NewDecoder(n, options)
	if err != nil {
		t.Fatal(err)
	}
	prompt := make([]int32, 200)
	for i := range prompt {
		prompt[i] = int32(i * i % m.Vocab)
	}
	ids, _ := golden.Generate(t, d, prompt, engine.GenerateOptions{Mode: engine.DraftMode, MaxTokens: 20})
	if len(ids) == 0 {
		t.Error("nothing was decoded")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	return ids
}

// TestSizes decodes on small and large GPUs, on which kernels are divided in other ways, and with other orders of threads:
// the tokens are the same. Every access to memory is checked.
func TestSizes(t *testing.T) {
	var want []int32
	for seed, p := range []properties{
		{major: 8, minor: 6, multiprocessors: 1, shared: 99 << 10, l2: 1 << 20},
		{major: 8, multiprocessors: 108, shared: 163 << 10, l2: 40 << 20},
		{major: 9, multiprocessors: 132, shared: 227 << 10, l2: 50 << 20},
	} {
		e := newEmulator(t, loadKernels)
		e.props, e.seed = p, uint64(seed)<<32
		got := decode(t, newBackend(e, "cuda:0"))
		if e.used != 0 {
			t.Errorf("%d bytes are left", e.used)
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d multiprocessors: %v, others %v", p.multiprocessors, got, want)
		}
	}
}
