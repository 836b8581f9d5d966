package engine

import (
	"fmt"
	"math"
)

// Rope describes a rotary position embedding: pair (i, i + HeadDim/2) of a head
// at position p is turned by the angle p * InvFreq[i] and scaled by Scale.
type Rope struct {
	Theta   float64
	InvFreq []float32 // HeadDim/2 values, radians a position
	Scale   float32   // 1, or YaRN's attention factor
}

// NewRope gives the unscaled embedding: InvFreq[i] = theta^(-2i/headDim).
func NewRope(theta float64, headDim int) Rope {
	r := Rope{Theta: theta, InvFreq: make([]float32, headDim/2), Scale: 1}
	for i := range r.InvFreq {
		r.InvFreq[i] = float32(1 / math.Pow(theta, float64(2*i)/float64(headDim)))
	}
	return r
}

// Rotation is the cosine and the sine by which pair i of a head is turned at a
// position, times Scale. The angle is rounded to float32 as in the reference.
func (r *Rope) Rotation(position, i int) (cos, sin float32) {
	s, c := math.Sincos(float64(float32(position) * r.InvFreq[i]))
	return float32(c) * r.Scale, float32(s) * r.Scale
}

// Yarn are the options of YaRN (Peng et al., 2023, "YaRN: Efficient Context
// Window Extension of Large Language Models"), named as in config.json.
type Yarn struct {
	Factor    float64 // new context over original context
	Original  float64 // original_max_position_embeddings
	BetaFast  float64 // rotations above which a dimension is left as it is
	BetaSlow  float64 // rotations below which a dimension is interpolated
	Attention float64 // multiplies the scale of cos and sin, 0.1 ln(factor) + 1
}

// Apply stretches an unscaled embedding. Dimensions that turn often over the
// original context keep their frequency, slow ones are divided by the factor,
// and a linear ramp lies between. Products are rounded before they are added, so
// that no machine fuses the two.
func (y Yarn) Apply(r Rope) Rope {
	half := len(r.InvFreq)
	dim := float64(2 * half)
	// The dimension that turns n times over the original context.
	turns := func(n float64) float64 {
		return dim * math.Log(y.Original/(n*2*math.Pi)) / (2 * math.Log(r.Theta))
	}
	low := math.Max(math.Floor(turns(y.BetaFast)), 0)
	high := math.Min(math.Ceil(turns(y.BetaSlow)), dim-1)
	if low == high {
		high += 0.001 // as the reference does, to avoid dividing by zero
	}
	out := Rope{Theta: r.Theta, InvFreq: make([]float32, half), Scale: float32(y.Attention)}
	for i := range out.InvFreq {
		ramp := math.Min(math.Max((float64(i)-low)/(high-low), 0), 1)
		freq := 1 / math.Pow(r.Theta, float64(2*i)/dim)
		out.InvFreq[i] = float32(float64(freq/y.Factor*ramp) + float64(freq*(1-ramp)))
	}
	if y.Factor > 1 {
		out.Scale = float32((float64(0.1*math.Log(y.Factor)) + 1) * y.Attention)
	}
	return out
}

// rope reads the rotary embedding of a file.
func (r *metaReader) rope(arch string, headDim int) Rope {
	theta := r.float(arch + "rope.freq_base")
	if r.err != nil {
		return Rope{}
	}
	if !(theta > 1 && theta < 1e12) {
		r.keep(fmt.Errorf("%srope.freq_base is %g: out of range", arch, theta))
		return Rope{}
	}
	rope := NewRope(theta, headDim)
	key := arch + "rope.scaling."
	kind, err := r.md.Text(key + "type")
	if err != nil || kind == "none" || kind == "default" {
		return rope
	}
	if kind != "yarn" {
		r.keep(fmt.Errorf("%stype is %.40q: only yarn is supported", key, kind))
		return rope
	}
	opt := func(name string, otherwise float64) float64 {
		if v, err := r.md.Float(key + name); err == nil && v != 0 {
			return v
		}
		return otherwise
	}
	y := Yarn{
		Factor:    r.float(key + "factor"),
		Original:  r.float(key + "original_context_length"),
		BetaFast:  opt("yarn_beta_fast", 32),
		BetaSlow:  opt("yarn_beta_slow", 1),
		Attention: opt("attn_factor", 1),
	}
	inRange := func(v float64) bool { return v > 0 && v < 1e9 }
	if r.err == nil && !(inRange(y.Factor) && inRange(y.Original) && inRange(y.BetaFast) && inRange(y.BetaSlow) && inRange(y.Attention)) {
		r.keep(fmt.Errorf("%s*: yarn values out of range", key))
	}
	if r.err != nil {
		return rope
	}
	return y.Apply(rope)
}
