package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orthrus/convert"
)

// addTypeFlags declares the flags that convert and quantize share.
func addTypeFlags(fs *pflag.FlagSet, o *convert.Options) {
	choose(fs, &o.DiffType, "diff-type", "", "", "`type` of the diffusion projections, which change the speed and never the text (default: fits the other tensors')", convert.Types())
	fs.IntVarP(&o.Threads, "threads", "t", 0, "CPU threads (default: one a core)")
}

func newConvert(c *console) *cobra.Command {
	var o convert.Options
	cmd := &cobra.Command{
		Use:   "convert DIR|ORG/MODEL",
		Short: "Convert a Hugging Face checkpoint to GGUF",
		Long: `Convert a checkpoint in the Hugging Face layout (config.json, *.safetensors,
tokenizer.json, ...) to one GGUF file: a folder, or ORG/MODEL of the local hub
cache. Types: ` + strings.Join(convert.Types(), ", ") + ".",
		Example: "  orthrus convert ./Orthrus-Qwen3-1.7B --type q4_k_m",
		Args:    takes(1, 1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkThreads(o.Threads); err != nil {
				return err
			}
			return c.write(cmd.Context(), "converting", o, func(ctx context.Context, o convert.Options) (*convert.Report, error) {
				return convert.Convert(ctx, args[0], o)
			})
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVarP(&o.Out, "out", "o", "", "`file` to write (default: MODEL-TYPE.gguf in the current folder)")
	choose(fs, &o.Type, "type", "", convert.DefaultType, "`type` of the tensors", convert.Types())
	addTypeFlags(fs, &o)
	choose(fs, &o.View, "view", "", "both", "both, or ar for a plain qwen3 file that llama.cpp runs", []string{"both", "ar"})
	return cmd
}

func newQuantize(c *console) *cobra.Command {
	var o convert.Options
	cmd := &cobra.Command{
		Use:   "quantize IN.gguf OUT.gguf TYPE",
		Short: "Convert a GGUF file to another type",
		Long: `Convert the tensors of a GGUF file to another type, best from f32, f16 or bf16.
Types: ` + strings.Join(convert.Types(), ", ") + ".",
		Example: "  orthrus quantize model-bf16.gguf model-q4_k_m.gguf q4_k_m",
		Args:    takes(3, 3),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 2 {
				return convert.Types(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveDefault
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkThreads(o.Threads); err != nil {
				return err
			}
			o.Out = args[1]
			if err := (&choice{&o.Type, convert.Types()}).Set(args[2]); err != nil {
				return usagef("TYPE %q: %w", args[2], err)
			}
			return c.write(cmd.Context(), "quantizing", o, func(ctx context.Context, o convert.Options) (*convert.Report, error) {
				return convert.Quantize(ctx, args[0], o)
			})
		},
	}
	addTypeFlags(cmd.Flags(), &o)
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
