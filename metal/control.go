package metal

import (
	"math"
	"unsafe"

	"orthrus/engine"
)

// control is the control block of a context (engine.Context), in shared memory: the struct Control of control.h, then the
// arrays of rows that go with it, and the arrays of the Outcome.
type control struct {
	memory buffer
	rows   int
}

// controlHeader is Control of control.h.
type controlHeader struct {
	position                int32
	temperature, topP, minP float32
	topK                    int32
	seed                    [2]uint32
	toldTokens, toldChances int32
	_                       int32
}

const controlHeaderBytes = int64(unsafe.Sizeof(controlHeader{}))

// controlBytes leaves room for one token more than rows, which a draft of all rows adds.
func controlBytes(rows int) int64 { return controlHeaderBytes + 4*5*int64(rows+1) }

// array is the place of the i-th array.
func (c control) array(i int) binding {
	return at(c.memory, controlHeaderBytes+4*int64(i)*int64(c.rows+1))
}

func (c control) header() binding      { return at(c.memory, 0) }
func (c control) tokens() binding      { return c.array(0) }
func (c control) choices() binding     { return c.array(1) }
func (c control) chances() binding     { return c.array(2) }
func (c control) toldTokens() binding  { return c.array(3) }
func (c control) toldChances() binding { return c.array(4) }

// read is the header as kernels left it; all that is queued has ended.
func (c control) read() *controlHeader {
	return (*controlHeader)(unsafe.Pointer(unsafe.SliceData(c.memory.bytes())))
}

// outcome reads what accept and draft left.
func (c control) outcome() (o engine.Outcome) {
	h, bytes := c.read(), c.memory.bytes()
	o.Tokens = append(o.Tokens, int32sOf(bytes[c.toldTokens().offset:])[:h.toldTokens]...)
	o.Chances = append(o.Chances, floatsOf(bytes[c.toldChances().offset:])[:h.toldChances]...)
	return o
}

// leastTemperature keeps the smallest quotient of logits finite or infinite, but a number.
const leastTemperature = 1e-30

type sampleArgs struct {
	temperature, topP, minP float32
	topK                    int32
	seed                    [2]uint32
}

// sample writes the sampling options.
func sample(l *list, c control, s engine.Sampling) {
	a := sampleArgs{topP: float32(s.TopP), minP: float32(s.MinP), topK: int32(min(s.TopK, math.MaxInt32)),
		seed: [2]uint32{uint32(s.Seed), uint32(s.Seed >> 32)}}
	if !s.Greedy() {
		a.temperature = max(float32(s.Temp), leastTemperature)
	}
	launch(l, "sample", [3]int{1, 1, 1}, 1, a, c.header())
}

const seekTokens = 512

type seekArgs struct {
	position, first, count, _ int32
	token                     [seekTokens]int32
}

// seek writes the position of the next pass and the tokens of its first rows.
func seek(l *list, c control, pos int, tokens []int32) {
	for at := 0; at == 0 || at < len(tokens); at += seekTokens {
		a := seekArgs{position: int32(pos), first: int32(at)}
		a.count = int32(copy(a.token[:], tokens[at:]))
		launch(l, "seek", [3]int{1, 1, 1}, simd, a, c.header(), c.tokens())
	}
}

type maskArgs struct{ rows, token int32 }

// mask sets the tokens of rows 1..rows-1.
func mask(l *list, c control, rows int, token int32) {
	launch(l, "mask", [3]int{1, 1, 1}, simd, maskArgs{int32(rows), token}, c.tokens())
}

type draftArgs struct{ rows, _ int32 }

// draft makes the choices of the n first rows the tokens of the rows after them, and their chances an outcome.
func draft(l *list, c control, n int) {
	launch(l, "draft", [3]int{1, 1, 1}, simd, draftArgs{rows: int32(n)}, c.header(), c.tokens(), c.choices(), c.chances(), c.toldChances())
}

// chooseThreads is the size of the threadgroup that goes over a row of logits, if it can be so large.
const chooseThreads = 1024

type chooseArgs struct{ vocab, first, noteChances, keep int32 }

// choose decides on one token for each row of logits, the first of which belongs to row first of the pass.
func choose(l *list, c control, logits matrix, first int, noteChances, keep bool) {
	a := chooseArgs{vocab: int32(logits.cols), first: int32(first), noteChances: flag(noteChances), keep: flag(keep)}
	launch(l, "choose", [3]int{logits.rows, 1, 1}, l.most("choose", chooseThreads), a, c.header(), logits.at, c.choices(), c.chances())
}

type acceptArgs struct{ rows, first, vocab, reject int32 }

// accept ends a pass of the AR view; p and q are the kept probabilities, or none.
func accept(l *list, c control, rows, first int, p, q matrix) {
	a := acceptArgs{rows: int32(rows), first: int32(first), vocab: int32(p.cols)}
	if p.at.buffer == nil {
		p.at, q.at = c.header(), c.header()
	} else {
		a.reject = 1
	}
	launch(l, "accept", [3]int{1, 1, 1}, l.most("accept", chooseThreads), a, c.header(), c.tokens(), c.choices(), c.toldTokens(), p.at, q.at)
}

func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
