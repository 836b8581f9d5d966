package cuda

import (
	"encoding/binary"
	"math"

	"orthrus/engine"
)

// control is the control block of a context (engine.Context) in device memory: the struct Control of control.cuh, then
// the arrays of rows that go with it. The Outcome goes to pinned host memory: two counts, tokens, chances.
type control struct {
	at      pointer
	pinned  pointer
	rows    int
	surveys pointer // of rows of logits, for choose
}

// Sizes of Control and of Outcome.
const (
	controlHeader = 40
	outcomeHeader = 8
)

// controlBytes are the bytes in device and in pinned memory.
func controlBytes(rows int) (device, pinned int64) {
	return controlHeader + 12*int64(rows) + 4, outcomeHeader + 8*int64(rows)
}

// tokens of the rows, and of the one that a draft of all rows would add.
func (c control) tokens() pointer  { return c.at + controlHeader }
func (c control) choices() pointer { return c.tokens() + pointer(4*(c.rows+1)) }
func (c control) chances() pointer { return c.choices() + pointer(4*c.rows) }

func (c control) outcomeTokens() pointer  { return c.pinned + outcomeHeader }
func (c control) outcomeChances() pointer { return c.outcomeTokens() + pointer(4*c.rows) }

// outcome reads what accept and draft left in pinned memory.
func (c control) outcome(pinned []byte) (o engine.Outcome) {
	at := func(i int) uint32 { return binary.LittleEndian.Uint32(pinned[4*i:]) }
	for i := range int(at(0)) {
		o.Tokens = append(o.Tokens, int32(at(2+i)))
	}
	for i := range int(at(1)) {
		o.Chances = append(o.Chances, math.Float32frombits(at(2+c.rows+i)))
	}
	return o
}

type sampleArgs struct {
	control                 pointer
	temperature, topP, minP float64
	seed                    uint64
	topK, _                 int32
}

// sample writes the sampling options.
func sample(d device, c control, s engine.Sampling) error {
	return launch(d, "sample", [3]int{1, 1, 1}, 1, 0, &sampleArgs{
		control: c.at, temperature: s.Temp, topP: s.TopP, minP: s.MinP, seed: s.Seed,
		topK: int32(min(s.TopK, math.MaxInt32)),
	})
}

const seekTokens = 512

type seekArgs struct {
	control, tokens pointer
	position, count int32
	token           [seekTokens]int32
}

// seek writes the position of the next pass and the tokens of its first rows.
func seek(d device, c control, pos int, tokens []int32) error {
	for at := 0; at == 0 || at < len(tokens); at += seekTokens {
		a := seekArgs{control: c.at, tokens: c.tokens() + pointer(4*at), position: int32(pos)}
		a.count = int32(copy(a.token[:], tokens[at:]))
		if err := launch(d, "seek", [3]int{1, 1, 1}, 128, 0, &a); err != nil {
			return err
		}
	}
	return nil
}

type maskArgs struct {
	tokens      pointer
	rows, token int32
}

// mask sets the tokens of rows 1..rows-1.
func mask(d device, c control, rows int, token int32) error {
	return launch(d, "mask", [3]int{1, 1, 1}, 128, 0, &maskArgs{c.tokens(), int32(rows), token})
}

type draftArgs struct {
	choices, chances        pointer
	tokens                  pointer
	outcome, outcomeChances pointer
	n                       int64
}

// draft makes the choices of the n first rows the tokens of the rows after them, and their chances an outcome.
func draft(d device, c control, n int) error {
	return launch(d, "draft", [3]int{1, 1, 1}, 128, 0, &draftArgs{
		c.choices(), c.chances(), c.tokens(), c.pinned, c.outcomeChances(), int64(n),
	})
}
