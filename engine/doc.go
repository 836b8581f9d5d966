// Package engine runs Orthrus-Qwen3 models: it reads a model's
// hyperparameters and weights from a GGUF file, computes the forward passes of
// its two views on a [Backend], keeps the key-value (KV) cache, and decodes by
// draft-and-verify.
//
// Data flows one way:
//
//	gguf.File -> Load -> Model -> NewDecoder(Model, Backend) -> Generate -> tokens
//
// The autoregressive (AR) view is a plain Qwen3 decoder and alone writes the
// cache. The diffusion view shares everything with it but the attention
// projections, and drafts a block of tokens in one pass. Whatever it drafts,
// the tokens that come out are those of the AR view: they depend on the model,
// the prompt, the sampling options and the seed, and on nothing else.
package engine
