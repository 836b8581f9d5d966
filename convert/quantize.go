package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"orthrus/gguf"
)

// Quantize writes a qwen3 or orthrus GGUF file in another type. The metadata is
// copied but for what describes the type and, without the diffusion view, that
// view. Tensors whose type stays are copied as they are. o.Out is required.
//
// If ctx is cancelled, nothing is left behind, and the error is its cause.
func Quantize(ctx context.Context, in string, o Options) (*Report, error) {
	if o.Out == "" {
		return nil, errors.New("a name for the output is needed")
	}
	info, err := os.Stat(in)
	if err != nil {
		return nil, err
	}
	file, err := gguf.Open(in)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	h, err := readHparams(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", in, err)
	}
	main, diff, err := o.recipes(h)
	if err != nil {
		return nil, err
	}
	m := &model{h: h, inputs: []os.FileInfo{info}}
	have := make(map[string]source, len(file.Tensors))
	for _, t := range file.Tensors {
		have[t.Name] = source{dims: t.Dims, from: t.Type, data: bytes.NewReader(t.Data)}
	}
	if err := m.match(have, func(s slot) string { return s.gguf }); err != nil {
		return nil, fmt.Errorf("%s: %w", in, err)
	}
	if slices.ContainsFunc(m.weights, func(w weight) bool { e, _ := w.from.Block(); return e > 1 }) {
		m.notes = append(m.notes, "the input is quantized already: quantizing the original would lose less")
	}
	md := slices.Clone(file.Metadata)
	if o.View == "ar" {
		md = plainMetadata(md)
		m.dropDiffusion()
	}
	md.Set("general.file_type", main.fileType)
	md.Set("general.quantization_version", uint32(quantizationVersion))
	return m.write(ctx, o, main, diff, md)
}

// readHparams reads from a file's metadata the hyperparameters that give the
// tensors their shapes.
func readHparams(file *gguf.File) (*hparams, error) {
	arch, err := file.Metadata.Text("general.architecture")
	if err != nil {
		return nil, err
	}
	if arch != "qwen3" && arch != "orthrus" {
		return nil, fmt.Errorf("general.architecture is %q: only qwen3 and orthrus are supported", arch)
	}
	count := func(key string, limit uint64) int {
		key = arch + "." + key
		n, e := file.Metadata.Uint(key)
		if e == nil && (n < 1 || n > limit) {
			e = fmt.Errorf("%s: %d is outside 1 to %d", key, n, limit)
		}
		if err == nil {
			err = e
		}
		return int(max(n, 1))
	}
	h := &hparams{
		layers:  count("block_count", maxLayers),
		hidden:  count("embedding_length", maxDim),
		ff:      count("feed_forward_length", maxDim),
		heads:   count("attention.head_count", maxHeads),
		kvHeads: count("attention.head_count_kv", maxHeads),
		headDim: count("attention.key_length", maxHeadDim),
		tied:    file.Tensor("output.weight") == nil,
	}
	if arch == "orthrus" {
		h.blockSize = count("block_size", maxContext)
	}
	if err != nil {
		return nil, err
	}
	embedding := file.Tensor("token_embd.weight")
	if embedding == nil {
		return nil, errors.New("tensor token_embd.weight is missing")
	}
	h.vocab = embedding.Rows()
	return h, h.check()
}

// plainMetadata is the metadata of an orthrus model's autoregressive view.
func plainMetadata(md gguf.Metadata) gguf.Metadata {
	var out gguf.Metadata
	for _, kv := range md {
		key := kv.Key
		switch {
		case key == "orthrus.block_size", key == "tokenizer.ggml.mask_token_id", strings.HasPrefix(key, "diffusion."):
			continue
		case key == "general.architecture":
			kv.Value = "qwen3"
		case strings.HasPrefix(key, "orthrus."):
			kv.Key = "qwen3." + strings.TrimPrefix(key, "orthrus.")
		}
		out.Set(kv.Key, kv.Value)
	}
	return out
}
