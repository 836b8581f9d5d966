package main

import "strings"

// Qwen3 models write their reasoning at the start of an answer, between these.
const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
)

// reasoning follows an answer that comes in pieces and tells its reasoning from
// the rest.
type reasoning struct {
	open bool   // the prompt ended in <think>
	text string // all pieces so far
	end  int    // of the reasoning in text; 0 while it is not known
}

// add splits a piece at the end of the reasoning.
func (r *reasoning) add(piece string) (thought, answer string) {
	from := len(r.text)
	r.text += piece
	if r.end > 0 || !r.open && !strings.HasPrefix(strings.TrimLeft(r.text, " \n"), thinkOpen) {
		return "", piece
	}
	search := max(0, from-len(thinkClose)+1)
	i := strings.Index(r.text[search:], thinkClose)
	if i < 0 {
		return piece, ""
	}
	r.end = search + i + len(thinkClose)
	return r.text[from:r.end], r.text[r.end:]
}
