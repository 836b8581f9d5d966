package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"orthrus/engine"
	"orthrus/engine/chat"
)

// A session file is one zstd stream:
//
//	"ORTHSES1", n (uint32, little endian), n bytes of JSON (sessionHeader),
//	then the KV cache as engine.Decoder saves it
const sessionMagic = "ORTHSES1"

// maxSessionHeader bounds the JSON of a session file, in bytes.
const maxSessionHeader = 8 << 20

// sessionHeader is a conversation without its cache.
type sessionHeader struct {
	Model    string          `json:"model"` // fingerprint
	Name     string          `json:"name"`
	System   string          `json:"system,omitempty"`
	Messages []chat.Message  `json:"messages"`
	Think    *bool           `json:"think,omitempty"`
	Sampling sessionSampling `json:"sampling"`
}

type sessionSampling struct {
	Temp      float64 `json:"temp"`
	TopK      int     `json:"top_k"`
	TopP      float64 `json:"top_p"`
	MinP      float64 `json:"min_p"`
	Seed      *uint64 `json:"seed,omitempty"` // nil: a new one for every answer
	Rejection bool    `json:"rejection,omitempty"`
}

func writeSessionHeader(w io.Writer, h *sessionHeader) error {
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if len(data) > maxSessionHeader {
		return fmt.Errorf("the conversation is larger than %s", bytesText(maxSessionHeader))
	}
	head := binary.LittleEndian.AppendUint32([]byte(sessionMagic), uint32(len(data)))
	_, err = w.Write(append(head, data...))
	return err
}

// readSessionHeader reads and checks what writeSessionHeader wrote.
func readSessionHeader(r io.Reader) (*sessionHeader, error) {
	head := make([]byte, len(sessionMagic)+4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("not a session file: %w", err)
	}
	if string(head[:len(sessionMagic)]) != sessionMagic {
		return nil, errors.New("not a session file, or one of another version")
	}
	n := binary.LittleEndian.Uint32(head[len(sessionMagic):])
	if n > maxSessionHeader {
		return nil, fmt.Errorf("damaged: a header of %d bytes", n)
	}
	// ReadAll grows with what is there, not with what n claims.
	data, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err == nil && len(data) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("damaged: header: %w", err)
	}
	h := &sessionHeader{}
	if err := json.Unmarshal(data, h); err != nil {
		return nil, fmt.Errorf("damaged: header: %w", err)
	}
	return h, h.check()
}

func (h *sessionHeader) check() error {
	if len(h.Messages)%2 != 0 {
		return errors.New("damaged: messages: the last has no answer")
	}
	for i, m := range h.Messages {
		if want := [2]string{"user", "assistant"}[i%2]; m.Role != want {
			return fmt.Errorf("damaged: messages: number %d is of role %.20q, expected %q", i, m.Role, want)
		}
	}
	s := h.Sampling
	if !inRange(s.Temp, maxTemp) || s.TopK < 0 || s.TopK > math.MaxInt32 || !inRange(s.TopP, 1) || !inRange(s.MinP, 1) {
		return errors.New("damaged: sampling: a value is out of range")
	}
	return nil
}

// sampling is the header's form of the options.
func (r *repl) sampling() sessionSampling {
	s := r.options.Sampling
	out := sessionSampling{Temp: s.Temp, TopK: s.TopK, TopP: s.TopP, MinP: s.MinP, Rejection: s.Acceptance == engine.Rejection}
	if r.seeded {
		out.Seed = &s.Seed
	}
	return out
}

func (r *repl) setSampling(s sessionSampling) {
	out := engine.Sampling{Temp: s.Temp, TopK: s.TopK, TopP: s.TopP, MinP: s.MinP}
	if s.Rejection {
		out.Acceptance = engine.Rejection
	}
	if r.seeded = s.Seed != nil; r.seeded {
		out.Seed = *s.Seed
	}
	r.options.Sampling = out
}
