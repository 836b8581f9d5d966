package convert

import (
	"math"
	"slices"
)

// parseConfig reads a Qwen3Config or OrthrusConfig of the transformers library
// (config.json), and refuses by name what this decoder does not compute. Sizes
// are required even where transformers has a default: published checkpoints
// state them.
func parseConfig(o *object) (*hparams, error) {
	if err := refuseOthers(o); err != nil {
		return nil, err
	}
	h := &hparams{
		layers:  o.count("num_hidden_layers", maxLayers),
		hidden:  o.count("hidden_size", maxDim),
		ff:      o.count("intermediate_size", maxDim),
		heads:   o.count("num_attention_heads", maxHeads),
		kvHeads: o.count("num_key_value_heads", maxHeads),
		headDim: o.count("head_dim", maxHeadDim),
		vocab:   o.count("vocab_size", maxVocab),
		context: o.count("max_position_embeddings", maxContext),
		eps:     o.positive("rms_norm_eps"),
		tied:    o.flag("tie_word_embeddings"),
	}
	h.rope = parseRope(o, h.context)
	if o.text("model_type") == "orthrus" {
		h.blockSize = o.count("block_size", h.context)
		if h.blockSize == 1 {
			o.fail("block_size", "1 leaves no room for a draft")
		}
		mask := o.tokens("mask_token_id", h.vocab)
		if len(mask) == 1 {
			h.mask = mask[0]
		} else {
			o.fail("mask_token_id", "one token id is expected")
		}
	}
	if o.err != nil {
		return nil, o.err
	}
	return h, h.check()
}

// refuseOthers turns away everything but dense, unquantized Qwen3 with full
// attention.
func refuseOthers(o *object) error {
	if kind := o.text("model_type"); o.err == nil && kind != "qwen3" && kind != "orthrus" {
		o.fail("model_type", "%q is not supported: only qwen3 and orthrus are", kind)
	}
	if act := o.text("hidden_act"); act != "silu" {
		o.fail("hidden_act", "%q is not supported: Qwen3 has silu", act)
	}
	for _, key := range []string{"attention_bias", "use_sliding_window"} {
		if o.flag(key) {
			o.fail(key, "true is not supported")
		}
	}
	var experts float64
	for _, key := range []string{"num_experts", "num_local_experts", "n_routed_experts"} {
		if o.decode(key, &experts) && experts != 0 {
			o.fail(key, "mixtures of experts are not supported")
		}
	}
	if o.has("quantization_config") {
		o.fail("quantization_config", "quantized checkpoints are not supported: convert the original one")
	}
	var kinds []string
	o.decode("layer_types", &kinds)
	if i := slices.IndexFunc(kinds, func(s string) bool { return s != "full_attention" }); i >= 0 {
		o.fail("layer_types", "%q in layer %d is not supported: only full_attention is", kinds[i], i)
	}
	return o.err
}

// parseRope reads the rotary embedding in both spellings: rope_theta and
// rope_scaling at the top, or both together in rope_parameters (transformers 5).
func parseRope(o *object, context int) rope {
	scaling, spelling := o.child("rope_scaling"), "rope_scaling"
	if p := o.child("rope_parameters"); p != nil {
		if scaling != nil {
			o.fail("rope_scaling", "given beside rope_parameters: remove one of them")
		}
		scaling, spelling = p, "rope_parameters"
	}
	r := rope{}
	switch {
	case scaling == nil || !scaling.has("rope_theta"):
		r.theta = o.positive("rope_theta")
	case o.has("rope_theta") && o.positive("rope_theta") != scaling.positive("rope_theta"):
		o.fail("rope_theta", "differs from %s.rope_theta", spelling)
	default:
		r.theta = scaling.positive("rope_theta")
	}
	if scaling != nil {
		r.parseScaling(scaling, context)
		if scaling.err != nil {
			o.fail(spelling, "%w", scaling.err)
		}
	}
	return r
}

// parseScaling reads what stretches the embedding; YaRN's fields are those of
// transformers' _compute_yarn_parameters.
func (r *rope) parseScaling(o *object, context int) {
	kind := o.text("rope_type")
	if kind == "" {
		kind = o.text("type") // the older name
	}
	known := []string{"rope_type", "type", "rope_theta"}
	switch kind {
	case "yarn":
		known = append(known, "factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow", "truncate")
		r.factor = o.positive("factor")
		if r.factor < 1 {
			o.fail("factor", "%g would shrink the context", r.factor)
		}
		r.original = context
		if o.has("original_max_position_embeddings") {
			r.original = o.count("original_max_position_embeddings", maxContext)
		}
		r.attention = o.within("attention_factor", math.SmallestNonzeroFloat32, 1000)
		r.betaFast = o.within("beta_fast", math.SmallestNonzeroFloat32, 1e6)
		r.betaSlow = o.within("beta_slow", math.SmallestNonzeroFloat32, 1e6)
		if o.has("truncate") && !o.flag("truncate") {
			o.fail("truncate", "false is not supported")
		}
	case "default", "":
	default:
		o.fail("rope_type", "%q is not supported: only default and yarn are", kind)
	}
	for key := range o.fields {
		if o.has(key) && !slices.Contains(known, key) {
			o.fail(key, "not supported with rope_type %q", kind)
		}
	}
}

// generation are the defaults of transformers' generate(): what ends a text,
// and how tokens are drawn; nil where generation_config.json is silent.
type generation struct {
	eos              []uint32
	bos, pad         []uint32 // at most one each
	temp, topP, minP *float64
	topK             *int32
}

// parseGeneration reads generation_config.json, which may be empty, and takes
// the token ids that it lacks from config.json. Errors stay in the objects.
func parseGeneration(gen, config *object, vocab int) *generation {
	ids := func(key string, most int) []uint32 {
		from := config
		if gen.has(key) {
			from = gen
		}
		list := from.tokens(key, vocab)
		if len(list) > most {
			from.fail(key, "%d tokens where at most %d are expected", len(list), most)
		}
		return list
	}
	g := &generation{
		eos:  ids("eos_token_id", 64),
		bos:  ids("bos_token_id", 1),
		pad:  ids("pad_token_id", 1),
		temp: gen.within("temperature", 0, 100),
		topP: gen.within("top_p", 0, 1),
		minP: gen.within("min_p", 0, 1),
	}
	var k int32
	if gen.decode("top_k", &k) {
		g.topK = &k
	}
	if k < 0 {
		gen.fail("top_k", "%d is negative", k)
	}
	if gen.has("do_sample") && !gen.flag("do_sample") {
		g.temp = new(float64) // greedy
	}
	return g
}
