package engine_test

import (
	"testing"

	"orthrus/gguf"
	"orthrus/internal/golden"
)

// TestOneOutput holds draft-and-verify decoding against AR decoding, for every
// type of weights, on one thread and on two.
func TestOneOutput(t *testing.T) {
	for _, typ := range golden.Types {
		t.Run(typ, func(t *testing.T) {
			m := golden.Model(t, typ)
			golden.OneOutput(t, gguf.F16, golden.Every(t, 4), 24, place(t, m, 2), place(t, m, 1))
		})
	}
}

// TestRows holds the logits of passes of many rows, bit by bit, against those of
// passes of one row.
func TestRows(t *testing.T) {
	const start = 1010 // so that rows cross a tile of attention
	for _, k := range golden.Kinds {
		t.Run(k.Type+"/"+k.Cache.String(), func(t *testing.T) {
			golden.Rows(t, place(t, golden.Model(t, k.Type), 2), k.Cache, start, golden.UpTo(33))
		})
	}
}
