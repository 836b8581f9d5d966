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
	open bool   // inside it, as when the prompt ended in <think>
	over bool   // the rest is answer
	text string // what may be the start of <think> or, inside, of </think>
}

// add splits a piece at the end of the reasoning.
func (r *reasoning) add(piece string) (thought, answer string) {
	if r.over {
		return "", piece
	}
	before := len(r.text)
	r.text += piece
	if !r.open {
		start := strings.TrimLeft(r.text, " \n")
		r.open = strings.HasPrefix(start, thinkOpen)
		r.over = !r.open && !strings.HasPrefix(thinkOpen, start)
		if !r.open {
			return "", piece
		}
	}
	if i := strings.Index(r.text, thinkClose); i >= 0 {
		r.over = true
		end := i + len(thinkClose) - before
		return piece[:end], piece[end:]
	}
	r.text = r.text[max(0, len(r.text)-len(thinkClose)+1):]
	return piece, ""
}
