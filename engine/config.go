package engine

import (
	"errors"
	"fmt"
	"math"

	"orthrus/gguf"
)

// Config holds a model's hyperparameters.
type Config struct {
	Arch    string // "orthrus" or "qwen3"
	Name    string // general.name
	Layers  int
	Hidden  int
	Heads   int // query heads
	KVHeads int // key-value heads, a divisor of Heads
	HeadDim int
	FF      int // inner size of the feed-forward
	Vocab   int // rows of the embedding
	Context int // positions the model was made for
	Eps     float32
	Rope    Rope

	// BlockSize is the number of rows the diffusion view was trained to draft
	// with, the known token included; 0 for a model without that view.
	BlockSize int
	MaskToken int32

	// EOG are the end-of-generation tokens, in the file's order.
	EOG []int32
	// Sampling is what the file recommends; zero Temp where it says nothing.
	Sampling Sampling
}

// Limits on hyperparameters: far above any Qwen3, low enough that products of
// two of them stay far from overflow.
const (
	maxDim    = 1 << 20
	maxLayers = 1 << 12
	maxBlock  = 1 << 10 // rows of logits are kept for a whole block
)

// readConfig reads and checks the hyperparameters in a file's metadata.
func readConfig(md gguf.Metadata) (Config, error) {
	r := metaReader{md: md}
	c := Config{Arch: r.text("general.architecture")}
	if r.err == nil && c.Arch != "orthrus" && c.Arch != "qwen3" {
		return c, fmt.Errorf("general.architecture is %.40q: only orthrus and qwen3 models run here", c.Arch)
	}
	c.Name, _ = md.Text("general.name")
	a := c.Arch + "."
	c.Layers = r.count(a+"block_count", maxLayers)
	c.Hidden = r.count(a+"embedding_length", maxDim)
	c.FF = r.count(a+"feed_forward_length", maxDim)
	c.Heads = r.count(a+"attention.head_count", maxLayers)
	c.KVHeads = r.count(a+"attention.head_count_kv", maxLayers)
	c.HeadDim = r.count(a+"attention.key_length", 1<<12)
	c.Context = r.count(a+"context_length", 1<<28)
	c.Eps = float32(r.float(a + "attention.layer_norm_rms_epsilon"))
	if v, err := md.Uint(a + "attention.value_length"); err == nil && int(v) != c.HeadDim && r.err == nil {
		r.err = fmt.Errorf("%sattention.value_length is %d and key_length %d: they must be equal", a, v, c.HeadDim)
	}
	if r.err == nil && c.Heads%c.KVHeads != 0 {
		r.err = fmt.Errorf("%sattention.head_count %d is no multiple of head_count_kv %d", a, c.Heads, c.KVHeads)
	}
	if r.err == nil && c.HeadDim%2 != 0 {
		r.err = fmt.Errorf("%sattention.key_length %d is odd: rotary embedding needs pairs", a, c.HeadDim)
	}
	if r.err == nil && !(c.Eps > 0 && c.Eps < 1) {
		r.err = fmt.Errorf("%sattention.layer_norm_rms_epsilon is %g: out of range", a, c.Eps)
	}
	c.Rope = r.rope(a, c.HeadDim)
	if c.Arch == "orthrus" {
		c.BlockSize = r.count("orthrus.block_size", maxBlock)
		c.MaskToken = int32(r.uint("tokenizer.ggml.mask_token_id", math.MaxInt32))
		if shift, err := md.Bool("diffusion.shift_logits"); err == nil && !shift && r.err == nil {
			r.err = errors.New("diffusion.shift_logits is false: row i must predict position i+1")
		}
		if r.err == nil && c.BlockSize < 2 {
			r.err = fmt.Errorf("orthrus.block_size is %d: at least 2 rows are needed to draft", c.BlockSize)
		}
	}
	c.EOG = r.eog()
	c.Sampling = r.sampling()
	return c, r.err
}

// metaReader reads metadata and keeps the first error.
type metaReader struct {
	md  gguf.Metadata
	err error
}

func (r *metaReader) keep(err error) {
	if r.err == nil && err != nil {
		r.err = err
	}
}

func (r *metaReader) text(key string) string {
	s, err := r.md.Text(key)
	r.keep(err)
	return s
}

func (r *metaReader) float(key string) float64 {
	f, err := r.md.Float(key)
	r.keep(err)
	return f
}

func (r *metaReader) uint(key string, limit uint64) uint64 {
	v, err := r.md.Uint(key)
	r.keep(err)
	if err == nil && v > limit {
		r.keep(fmt.Errorf("%s is %d: more than %d is not supported", key, v, limit))
		return 0
	}
	return v
}

func (r *metaReader) count(key string, limit uint64) int {
	v := r.uint(key, limit)
	if v == 0 {
		r.keep(fmt.Errorf("%s is 0", key))
		return 1 // keeps the checks that follow from dividing by zero
	}
	return int(v)
}

// eog collects the end-of-generation tokens: our own list, and the single ids
// that other converters write.
func (r *metaReader) eog() []int32 {
	var ids []int32
	add := func(id int64) {
		for _, have := range ids {
			if int64(have) == id {
				return
			}
		}
		if id >= 0 && id <= math.MaxInt32 {
			ids = append(ids, int32(id))
		}
	}
	if list, err := r.md.Ints("tokenizer.ggml.eog_token_ids"); err == nil {
		for _, id := range list {
			add(id)
		}
	}
	for _, key := range []string{"eos", "eot", "eom"} {
		if id, err := r.md.Uint("tokenizer.ggml." + key + "_token_id"); err == nil && id <= math.MaxInt32 {
			add(int64(id))
		}
	}
	return ids
}

// sampling reads the recommendations under the standard keys of GGUF.
func (r *metaReader) sampling() Sampling {
	var s Sampling
	get := func(key string) float64 {
		f, err := r.md.Float("general.sampling." + key)
		if err != nil || math.IsNaN(f) {
			return 0
		}
		return f
	}
	s.Temp = max(0, get("temp"))
	s.TopK = int(min(max(0, get("top_k")), maxDim))
	s.TopP = min(max(0, get("top_p")), 1)
	s.MinP = min(max(0, get("min_p")), 1)
	return s
}
