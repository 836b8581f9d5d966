package main

import "testing"

func TestReasoning(t *testing.T) {
	for _, c := range []struct {
		open    bool
		pieces  []string
		thought string
		answer  string
	}{
		{false, []string{"plain", " answer"}, "", "plain answer"},
		{false, []string{"<think>", "\nwhy", "\n", "</think>", "\n\nso"}, "<think>\nwhy\n</think>", "\n\nso"},
		{false, []string{"<think>\nwhy</th", "ink>so"}, "<think>\nwhy</think>", "so"},
		{false, []string{"<think>why"}, "<think>why", ""},
		{true, []string{"why\n", "</think>\n\n", "so"}, "why\n</think>", "\n\nso"},
		{false, []string{"\n", "<thi", "nk>why</think>so"}, "nk>why</think>", "\n<thiso"},
		{false, []string{" <", "b>", "<think>c</think>"}, "", " <b><think>c</think>"},
		{true, []string{"", "a<", "/", "think", ">", "b"}, "a</think>", "b"},
		{false, []string{"a ", "<think>b</think>"}, "", "a <think>b</think>"},
		{false, []string{"\n<think>\n\n</think>\n\nso"}, "\n<think>\n\n</think>", "\n\nso"},
		{false, []string{"<think>a</think>b", "</think>c"}, "<think>a</think>", "b</think>c"},
	} {
		r := reasoning{open: c.open}
		var thought, answer string
		for _, piece := range c.pieces {
			th, an := r.add(piece)
			thought, answer = thought+th, answer+an
		}
		if thought != c.thought || answer != c.answer {
			t.Errorf("%q: shows %q and %q, want %q and %q", c.pieces, thought, answer, c.thought, c.answer)
		}
	}
}
