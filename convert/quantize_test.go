package convert

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orthrus/gguf"
)

// TestQuantize checks that a file by way of bf16, which loses nothing of the
// demo, is the file that converting gives directly.
func TestQuantize(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "bf16.gguf")
	convertTo(t, demo, Options{Out: full, Type: "bf16"})
	for _, o := range []Options{
		{Type: "bf16"}, {Type: "f32"}, {Type: "q8_0"}, {Type: "q4_k_m"}, {}, {Type: "q4_0", DiffType: "q8_0"}, {Type: "q4_k_s", View: "ar"},
	} {
		direct, byWay := o, o
		direct.Out, byWay.Out = filepath.Join(dir, "direct.gguf"), filepath.Join(dir, "by way.gguf")
		want, err := Convert(t.Context(), demo, direct)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Quantize(t.Context(), full, byWay)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := os.ReadFile(direct.Out)
		b, _ := os.ReadFile(byWay.Out)
		if len(a) == 0 || !bytes.Equal(a, b) {
			t.Errorf("%+v: the files differ", o)
		}
		if got.Type != want.Type || got.DiffType != want.DiffType || got.Arch != want.Arch || got.Bytes != want.Bytes || len(got.Notes) != 0 {
			t.Errorf("%+v: report %+v, want %+v", o, *got, *want)
		}
	}
}

// TestRequantize quantizes what is quantized already.
func TestRequantize(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.gguf"), filepath.Join(dir, "out.gguf")
	f, _ := convertTo(t, demo, Options{Out: in, Type: "q8_0", DiffType: "q8_0"})
	report, err := Quantize(t.Context(), in, Options{Out: out, Type: "q4_0", DiffType: "q8_0"})
	if err != nil || len(report.Notes) != 1 || !strings.Contains(report.Notes[0], "quantized already") {
		t.Fatalf("report %+v, error %v", report, err)
	}
	g := openFile(t, out)
	if got := g.Tensor("blk.0.attn_q.weight").Type; got != gguf.Q4_0 {
		t.Errorf("attn_q is %v", got)
	}
	// A type that stays is copied.
	if a, b := f.Tensor("blk.3.attn_v_diff.weight"), g.Tensor("blk.3.attn_v_diff.weight"); b.Type != gguf.Q8_0 || !bytes.Equal(a.Data, b.Data) {
		t.Error("attn_v_diff changed")
	}
	checkMetadata(t, g.Metadata, map[string]any{"general.file_type": uint32(2), "orthrus.block_size": uint32(32)})
}

func TestQuantizeRefused(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.gguf")
	f, _ := convertTo(t, newTiny(true, false, "BF16").write(t), Options{Out: in, Type: "bf16"})
	infos := func() []gguf.TensorInfo {
		var list []gguf.TensorInfo
		for _, x := range f.Tensors {
			list = append(list, gguf.TensorInfo{Name: x.Name, Type: x.Type, Dims: x.Dims})
		}
		return list
	}
	for _, c := range []struct {
		name  string
		spoil func(md *gguf.Metadata, list []gguf.TensorInfo)
		want  string
	}{
		{"architecture", func(md *gguf.Metadata, _ []gguf.TensorInfo) { md.Set("general.architecture", "llama") }, `general.architecture is "llama"`},
		{"layers", func(md *gguf.Metadata, _ []gguf.TensorInfo) { md.Set("orthrus.block_count", uint32(3)) }, "tensors missing for a model of architecture orthrus and these hyperparameters: blk.2.attn_norm.weight, "},
		{"layers out of range", func(md *gguf.Metadata, _ []gguf.TensorInfo) { md.Set("orthrus.block_count", uint64(1)<<63) }, "orthrus.block_count: 9223372036854775808 is outside 1 to 4096"},
		{"heads zero", func(md *gguf.Metadata, _ []gguf.TensorInfo) { md.Set("orthrus.attention.head_count_kv", uint32(0)) }, "head_count_kv: 0 is outside"},
		{"shape", func(md *gguf.Metadata, _ []gguf.TensorInfo) { md.Set("orthrus.feed_forward_length", uint32(64)) }, "blk.0.ffn_gate.weight ([64 96], not [64 64])"},
		{"name", func(_ *gguf.Metadata, list []gguf.TensorInfo) { list[5].Name += "x" }, "tensors missing"},
		{"no embedding", func(_ *gguf.Metadata, list []gguf.TensorInfo) { list[0].Name += "x" }, "token_embd.weight is missing"},
		{"type", func(_ *gguf.Metadata, list []gguf.TensorInfo) { list[5].Type = gguf.I16 }, "is of type i16, which cannot be converted"},
	} {
		md, list := append(gguf.Metadata(nil), f.Metadata...), infos()
		c.spoil(&md, list)
		path := filepath.Join(dir, "spoiled.gguf")
		w, err := gguf.Create(path, md, list)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range f.Tensors {
			if err := w.WriteAt(i, x.Data, 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = Quantize(t.Context(), path, Options{Out: filepath.Join(dir, "out.gguf")})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
	if _, err := Quantize(t.Context(), in, Options{Out: in}); err == nil || !strings.Contains(err.Error(), "file of the input") {
		t.Errorf("output over the input: %v", err)
	}
	if _, err := Quantize(t.Context(), in, Options{}); err == nil {
		t.Error("no error without an output")
	}
	if _, err := Quantize(t.Context(), filepath.Join(demo, "config.json"), Options{Out: filepath.Join(dir, "x")}); err == nil {
		t.Error("no error for what is no GGUF file")
	}
}
