package engine

import "math"

// Sampling says how a row's logits become a token. The zero value is greedy.
//
// Filters apply in the order of the reference (HuggingFace transformers):
// temperature, top-k, top-p, min-p.
type Sampling struct {
	Temp float64 // 0: greedy
	TopK int     // keep the k likeliest; 0: all
	TopP float64 // keep the smallest set of at least this probability; 0 or 1: all
	MinP float64 // drop what is less likely than this share of the likeliest; 0: none
	Seed uint64

	Acceptance Acceptance
}

// Greedy reports whether tokens are the argmax.
func (s Sampling) Greedy() bool { return s.Temp <= 0 }

// Acceptance is the rule by which drafts are accepted when sampling.
type Acceptance uint8

const (
	// Match accepts a draft that equals the AR row's own choice. Drafts and
	// choices are drawn with the same noise (common random numbers), so they
	// agree often, and a seed gives the same text in every mode.
	Match Acceptance = iota
	// Rejection accepts with probability min(1, p/q) and draws the refused token
	// from max(p-q, 0): more drafts pass at high temperature, but the text
	// depends on the drafts. Its distribution is the same.
	Rejection
)

// Streams keep random numbers for different purposes apart.
const (
	StreamChoice   = 0 // the noise of choices and drafts
	StreamAccept   = 1 // the coin of rejection acceptance
	StreamResidual = 2 // the noise of the draw after a refused draft
)

// Uniform returns a number in (0, 1) that depends on its arguments alone: one
// lane of Philox4x32-10 (Salmon et al., 2011, "Parallel random numbers: as easy
// as 1, 2, 3") with the seed as key and (position, token/4, stream) as counter.
func Uniform(seed uint64, position int, token int32, stream uint32) float64 {
	return Uniforms(seed, position, token, stream)[token&3]
}

// Uniforms returns [Uniform] of the four tokens that share a counter with token.
func Uniforms(seed uint64, position int, token int32, stream uint32) (u [4]float64) {
	for i, lane := range philox(seed, [4]uint32{uint32(position), uint32(token) >> 2, stream, 0}) {
		u[i] = (float64(lane) + 0.5) / (1 << 32)
	}
	return u
}

// Gumbel returns a standard Gumbel variate keyed as [Uniform] is. The argmax of
// log-probabilities plus such noise is an exact sample of the distribution.
func Gumbel(seed uint64, position int, token int32, stream uint32) float64 {
	return GumbelOf(Uniform(seed, position, token, stream))
}

// GumbelOf turns a uniform variate into a standard Gumbel variate. It is at most
// -ln(1-u).
func GumbelOf(u float64) float64 { return -math.Log(-math.Log(u)) }

func philox(seed uint64, c [4]uint32) [4]uint32 {
	k0, k1 := uint32(seed), uint32(seed>>32)
	for range 10 {
		p0 := uint64(c[0]) * 0xD2511F53
		p1 := uint64(c[2]) * 0xCD9E8D57
		c = [4]uint32{uint32(p1>>32) ^ c[1] ^ k0, uint32(p1), uint32(p0>>32) ^ c[3] ^ k1, uint32(p0)}
		k0 += 0x9E3779B9
		k1 += 0xBB67AE85
	}
	return c
}
