package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orthrus/convert"
)

// typeFlags say what a file's tensors become.
type typeFlags struct {
	diffType string
	threads  int
}

func (f *typeFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.diffType, "diff-type", "", "`type` of the diffusion projections, which change the speed and never the text (default: fits --type)")
	fs.IntVarP(&f.threads, "threads", "t", 0, "CPU threads (default: one a core)")
}

// check refuses a type that convert does not know.
func (f *typeFlags) check(typ string) error {
	for _, name := range []string{typ, f.diffType} {
		if name == "" {
			continue
		}
		if _, err := convert.DefaultDiffType(name); err != nil {
			return usageError{err}
		}
	}
	if f.threads < 0 || f.threads > 1<<12 {
		return usagef("-t %d: choose 1 to %d threads", f.threads, 1<<12)
	}
	return nil
}

func newConvert(c *console) *cobra.Command {
	var types typeFlags
	o := convert.Options{}
	cmd := &cobra.Command{
		Use:   "convert DIR|ORG/MODEL",
		Short: "Convert a Hugging Face checkpoint to GGUF",
		Long: `Convert a checkpoint in the Hugging Face layout (config.json, *.safetensors,
tokenizer.json, ...) to one GGUF file: a folder, or ORG/MODEL of the local hub
cache. Types: ` + strings.Join(convert.Types(), ", ") + ".",
		Example: "  orthrus convert ./Orthrus-Qwen3-1.7B --type q4_k_m",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := types.check(o.Type); err != nil {
				return err
			}
			if o.View != "both" && o.View != "ar" {
				return usagef("--view %q: choose both or ar", o.View)
			}
			o.DiffType, o.Threads = types.diffType, types.threads
			return c.write(cmd.Context(), "converting", o, func(ctx context.Context, o convert.Options) (*convert.Report, error) {
				return convert.Convert(ctx, args[0], o)
			})
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&o.Out, "out", "o", "", "`file` to write (default: MODEL-TYPE.gguf in the current folder)")
	fs.StringVar(&o.Type, "type", convert.DefaultType, "`type` of the tensors")
	fs.StringVar(&o.View, "view", "both", "both, or ar for a plain qwen3 file that llama.cpp runs")
	types.add(fs)
	return cmd
}

func newQuantize(c *console) *cobra.Command {
	var types typeFlags
	cmd := &cobra.Command{
		Use:   "quantize IN.gguf OUT.gguf TYPE",
		Short: "Convert a GGUF file to another type",
		Long: `Convert the tensors of a GGUF file to another type, best from f32, f16 or bf16.
Types: ` + strings.Join(convert.Types(), ", ") + ".",
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := types.check(args[2]); err != nil {
				return err
			}
			o := convert.Options{Out: args[1], Type: args[2], DiffType: types.diffType, View: "both", Threads: types.threads}
			return c.write(cmd.Context(), "quantizing", o, func(ctx context.Context, o convert.Options) (*convert.Report, error) {
				return convert.Quantize(ctx, args[0], o)
			})
		},
	}
	types.add(cmd.Flags())
	return cmd
}

// write runs a conversion under a progress bar and says what came of it.
func (c *console) write(ctx context.Context, what string, o convert.Options, do func(context.Context, convert.Options) (*convert.Report, error)) error {
	ctx, stop := c.interruptible(ctx)
	defer stop()
	update, finish := c.progress(what)
	o.Progress = update
	r, err := do(ctx, o)
	finish()
	if err != nil {
		return err
	}
	types := r.Type
	if r.DiffType != "" {
		types += ", diffusion projections " + r.DiffType
	}
	c.note("%s: %s %s, %s parameters, %s, %.2f bits per weight, in %.1f s",
		r.Path, r.Arch, types, countText(r.Params), bytesText(r.Bytes), r.BitsPerWeight, r.Elapsed.Seconds())
	for _, note := range r.Notes {
		c.note("%s", note)
	}
	return nil
}
