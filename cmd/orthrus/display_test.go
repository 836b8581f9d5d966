package main

import (
	"bytes"
	"testing"
)

// TestDisplay checks what an answer looks like on each kind of output.
func TestDisplay(t *testing.T) {
	pieces := []string{"<think>", "\nwhy\x1b[2J", "</think>", "\n\nso\x07\u009b\x7f\t1"}
	const raw = "<think>\nwhy\x1b[2J</think>\n\nso\x07\u009b\x7f\t1"
	for _, c := range []struct {
		terminal, color, chat bool
		want                  string
	}{
		{false, true, false, raw},
		{false, true, true, raw + "\n"},
		{true, false, false, "<think>\nwhy␛[2J</think>\n\nso␇\ufffd\ufffd\t1\n"},
		{true, true, true, dimOn + "<think>\nwhy␛[2J</think>" + dimOff + "\n\nso␇\ufffd\ufffd\t1\n"},
	} {
		var out bytes.Buffer
		d := newDisplay(&console{out: &out, outTerminal: c.terminal, color: c.color}, "prompt")
		for _, piece := range pieces {
			if err := d.show(piece); err != nil {
				t.Fatal(err)
			}
		}
		d.end(c.chat)
		if out.String() != c.want {
			t.Errorf("%+v: %q", c, out.String())
		}
	}

	// An answer that is cut inside its reasoning does not leave the terminal dim.
	var out bytes.Buffer
	d := newDisplay(&console{out: &out, outTerminal: true, color: true}, "prompt<think>\n")
	if err := d.show("why"); err != nil {
		t.Fatal(err)
	}
	d.end(false)
	if want := dimOn + "why" + dimOff + "\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
