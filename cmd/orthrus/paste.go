package main

import (
	"bufio"
	"bytes"
)

// pastedNewline stands for a newline inside pasted text, so that the line
// editor does not take it for the Enter key. It is a private-use character.
const pastedNewline = '\ue00a'

// A terminal in bracketed-paste mode puts these around what is pasted.
var (
	pasteBegin = []byte("\x1b[200~")
	pasteEnd   = []byte("\x1b[201~")
)

// pasteReader passes a terminal's input on, with the newlines of pasted text
// replaced by pastedNewline and other control characters left out of it. An
// escape waits for the next key, as it does in the line editor.
type pasteReader struct {
	r       *bufio.Reader
	pasting bool
	out     bytes.Buffer // translated, not yet read
	seq     []byte       // start of an escape sequence that may be a mark
	cr      bool         // the last byte was a carriage return
}

func (p *pasteReader) Read(buf []byte) (int, error) {
	for p.out.Len() == 0 {
		b, err := p.r.ReadByte()
		if err == nil {
			p.take(b)
		} else if p.release(); p.out.Len() == 0 {
			return 0, err
		}
	}
	return p.out.Read(buf)
}

// take translates one byte.
func (p *pasteReader) take(b byte) {
	if len(p.seq) > 0 || b == pasteBegin[0] {
		p.seq = append(p.seq, b)
		switch {
		case bytes.Equal(p.seq, pasteBegin):
			p.pasting, p.seq = true, nil
		case bytes.Equal(p.seq, pasteEnd):
			p.pasting, p.seq = false, nil
		case !bytes.HasPrefix(pasteBegin, p.seq) && !bytes.HasPrefix(pasteEnd, p.seq):
			p.seq = p.seq[:len(p.seq)-1]
			p.release()
			p.take(b) // it may begin the next
		}
		return
	}
	p.plain(b)
}

// release passes on a sequence that is no mark.
func (p *pasteReader) release() {
	seq := p.seq
	p.seq = nil
	for _, b := range seq {
		p.plain(b)
	}
}

func (p *pasteReader) plain(b byte) {
	if !p.pasting {
		p.out.WriteByte(b)
		return
	}
	afterCR := p.cr
	p.cr = b == '\r'
	switch {
	case b == '\r', b == '\n' && !afterCR:
		p.out.WriteRune(pastedNewline)
	case b == '\t' || b >= 0x20 && b != 0x7f:
		p.out.WriteByte(b)
	}
}
