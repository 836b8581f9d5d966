package convert

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"orthrus/gguf"
	"orthrus/quant"
)

// source is where a tensor's values come from.
type source struct {
	dims []int // GGUF's order
	from gguf.Type
	data io.ReaderAt
}

// weight is a tensor of the model: its place in it, its values, and the type
// it will have.
type weight struct {
	slot
	source
	to gguf.Type
}

// model is a whole model on its way into a GGUF file.
type model struct {
	h       *hparams
	weights []weight
	inputs  []os.FileInfo // files that the output may not replace
	notes   []string
}

// match gives every slot its source, under the name that name tells, and
// refuses sources without a slot.
func (m *model) match(have map[string]source, name func(slot) string) error {
	var missing, wrong []string
	for _, s := range m.h.slots() {
		src, ok := have[name(s)]
		if !ok {
			missing = append(missing, name(s))
			continue
		}
		delete(have, name(s))
		if !slices.Equal(src.dims, s.dims) {
			wrong = append(wrong, fmt.Sprintf("%s (%v, not %v)", name(s), src.dims, s.dims))
			continue
		}
		m.weights = append(m.weights, weight{slot: s, source: src})
	}
	var unknown []string
	for name := range have {
		unknown = append(unknown, name)
	}
	slices.Sort(unknown)
	switch arch := m.h.arch(); {
	case missing != nil:
		return fmt.Errorf("tensors missing for a model of architecture %s and these hyperparameters: %s", arch, some(missing))
	case wrong != nil:
		return fmt.Errorf("tensors whose dimensions (fastest first) differ from the hyperparameters': %s", some(wrong))
	case unknown != nil:
		return fmt.Errorf("tensors unknown in a model of architecture %s and these hyperparameters: %s", arch, some(unknown))
	}
	return nil
}

// some lists the first few names.
func some(names []string) string {
	const most = 4
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// dropDiffusion leaves the autoregressive view, a plain Qwen3.
func (m *model) dropDiffusion() {
	m.h.blockSize = 0
	m.weights = slices.DeleteFunc(m.weights, func(w weight) bool { return w.diff })
}

// write converts the tensors into a file at o.Out, by the recipe main and, for
// the diffusion projections, diff.
func (m *model) write(ctx context.Context, o Options, main, diff recipe, md gguf.Metadata) (*Report, error) {
	start := time.Now()
	if out, err := os.Stat(o.Out); err == nil {
		if slices.ContainsFunc(m.inputs, func(in os.FileInfo) bool { return os.SameFile(in, out) }) {
			return nil, fmt.Errorf("%s: is a file of the input: choose another name for the output", o.Out)
		}
	}
	infos := make([]gguf.TensorInfo, len(m.weights))
	for i := range m.weights {
		w := &m.weights[i]
		if w.diff {
			w.to = diff.element(w.slot, m.h)
		} else {
			w.to = main.element(w.slot, m.h)
		}
		if w.from != w.to && !quant.Supported(w.from) {
			return nil, fmt.Errorf("tensor %s is of type %v, which cannot be converted", w.gguf, w.from)
		}
		infos[i] = gguf.TensorInfo{Name: w.gguf, Type: w.to, Dims: w.slot.dims}
	}
	out, err := gguf.Create(o.Out, md, infos)
	if err != nil {
		return nil, err
	}
	defer out.Abort()
	if err := transcode(ctx, out, m.weights, o.Threads, o.Progress); err != nil {
		return nil, err
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	r := &Report{Path: o.Out, Arch: m.h.arch(), Type: main.name, Bytes: out.Size(), Notes: m.notes}
	if m.h.blockSize != 0 {
		r.DiffType = diff.name
	}
	r.count(m.weights)
	r.Elapsed = time.Since(start)
	return r, nil
}
