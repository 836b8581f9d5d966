package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"orthrus/convert"
)

// benchFlags are the flags of bench.
type benchFlags struct {
	model    modelFlags
	sampling samplingFlags
	template templateFlags
	shape    string
	typ      string
	diffType string
	record   string
	replay   string
	prompts  []string
	file     string
	pp, tg   int
	depth    int
	n        int
	block    int
	repeats  int
	assume   float64
	limits   bool
	output   string
}

func newBench(c *console) *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a model on this machine",
		Long: `Measure prompt processing, one-by-one decoding, single passes of both views, and
draft-and-verify decoding on prompts, and tell how many tokens a step
draft-and-verify needs to pay here. Figures are medians of -r runs, ± their
standard deviation. Prompts are decoded one by one, by whole blocks and by as many
rows as pay (auto) in turn, -r times or until a prompt has had ten seconds.

--shape measures random weights of a Qwen3 shape (` + strings.Join(shapeNames(), ", ") + `) without any
file. How many drafts such a model accepts cannot be measured: --assume says it.
Or --replay lets it decode the answers of another model, whose drafts --record
wrote down: with their chances, and as many of them accepted.

--limits measures how fast this machine reads memory and multiplies int8, and
tells for every test what share of the speed it reaches that these allow. Weights
that the processor's caches hold may be read faster than that.`,
		Example: `  orthrus bench -m model.gguf -o md
  orthrus bench --shape 8b --type q4_k_m --assume 5
  orthrus bench -m small.gguf -f prompts.txt --record small.json.zst
  orthrus bench --shape 8b --type q4_k_m --replay small.json.zst`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return f.run(cmd.Context(), c)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	choose(fs, &f.shape, "shape", "", "", "measure random weights of this Qwen3 `size` instead of a file", shapeNames())
	choose(fs, &f.typ, "type", "", convert.DefaultType, "`type` of the random weights", convert.Types())
	choose(fs, &f.diffType, "diff-type", "", "", "`type` of the random diffusion projections (default: fits --type)", convert.Types())
	fs.Float64Var(&f.assume, "assume", 4, "`tokens` per step to assume for random weights")
	fs.StringVar(&f.replay, "replay", "", "decode as a `file` of --record tells, instead of prompts")
	fs.StringVar(&f.record, "record", "", "measure nothing, write to this `file` what drafting gives for the prompts")
	fs.StringArrayVarP(&f.prompts, "prompt", "p", nil, "`prompt` to decode; may be repeated (default: some about Go)")
	fs.StringVarP(&f.file, "file", "f", "", "`file` of prompts, one a line or JSON")
	fs.IntVarP(&f.n, "n-predict", "n", 128, "most `tokens` to decode for each prompt")
	fs.IntVar(&f.pp, "pp", 512, "`tokens` of the prompt to process; 0 leaves this test out")
	fs.IntVar(&f.tg, "tg", 128, "`tokens` to decode one by one; 0 leaves this test out")
	fs.IntVarP(&f.depth, "depth", "d", 0, "`tokens` in the cache before --pp, --tg and the single passes")
	fs.IntVar(&f.block, "block", 0, "`rows` of a draft (default: the model's block size)")
	fs.IntVarP(&f.repeats, "repetitions", "r", 5, "`runs` of each test")
	fs.BoolVar(&f.limits, "limits", false, "measure this machine's limits and hold the tests against them")
	choose(fs, &f.output, "output", "o", "table", "table, md, json or csv", []string{"table", "md", "json", "csv"})
	fs.BoolVar(&f.template.noThink, "no-think", false, "tell the model to answer the prompts at once (default for the demo model)")
	f.sampling.add(fs)
	for _, name := range []string{"temp", "top-k", "top-p", "min-p"} { // bench leaves the file's out
		flag := fs.Lookup(name)
		flag.Usage = strings.Replace(flag.Usage, "(default: the model's)", "(default: greedy decoding)", 1)
	}
	f.model.add(fs)
	return cmd
}

func (f *benchFlags) check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	for _, alone := range traceFlags {
		if !changed(alone.name) {
			continue
		}
		if cmd.Flag(alone.name).Value.String() == "" {
			return usagef("--%s names no file", alone.name)
		}
		if i := slices.IndexFunc(alone.without, changed); i >= 0 {
			return usagef("--%s %s: leave --%s out", alone.name, alone.reason, alone.without[i])
		}
	}
	switch {
	case f.shape != "" && f.model.path != "":
		return usagef("-m and --shape: give one of them")
	case f.shape == "" && (changed("type") || changed("diff-type") || changed("assume")):
		return usagef("--type, --diff-type and --assume are about random weights: give --shape too")
	case f.shape != "" && (f.prompts != nil || changed("file")):
		return usagef("--shape: random weights have nothing to say to -p or -f")
	case f.prompts != nil && changed("file"):
		return usagef("-p and -f: give one of them")
	case min(f.pp, f.tg, f.depth, f.block) < 0 || f.n < 1:
		return usagef("--pp, --tg, -d, -n and --block are counts: -n is 1 or more, the others 0 or more")
	case max(f.pp, f.tg, f.depth, f.n) > 1<<28:
		return usagef("--pp, --tg, -d and -n: at most %d tokens", 1<<28)
	case f.repeats < 1 || f.repeats > 1000:
		return usagef("-r %d: choose 1 to 1000 runs", f.repeats)
	case !(f.assume >= 1 && f.assume <= 64):
		return usagef("--assume %g: a step yields 1 to 64 tokens", f.assume)
	}
	if err := f.model.check(); err != nil {
		return err
	}
	return f.sampling.check()
}

// traceFlags are beside which others have no meaning, and why.
var traceFlags = []struct {
	name, reason string
	without      []string
}{
	{"record", "measures nothing, and decodes greedily", []string{
		"replay", "shape", "pp", "tg", "depth", "block", "repetitions", "limits", "output", "temp", "top-k", "top-p", "min-p", "seed", "acceptance",
	}},
	{"replay", "decodes nothing but the file", []string{
		"assume", "prompt", "file", "n-predict", "no-think", "temp", "top-k", "top-p", "min-p", "seed", "acceptance",
	}},
}

func (f *benchFlags) run(ctx context.Context, c *console) error {
	b := &bench{c: c, f: f}
	var prompts []string
	var err error
	if f.shape == "" && f.replay == "" {
		if prompts, err = f.readPrompts(c); err != nil {
			return err
		}
	}
	if b.m, err = f.open(c); err != nil {
		return err
	}
	defer b.m.close()
	if err := b.prepare(prompts); err != nil {
		return err
	}
	ctx, stop := c.interruptible(ctx)
	defer stop()
	if f.record != "" {
		return b.record(ctx, f.record)
	}
	result, err := b.measure(ctx)
	c.status("")
	if err != nil {
		return err
	}
	return result.write(c.out, f.output)
}

// open loads the model, or makes one of random weights.
func (f *benchFlags) open(c *console) (*model, error) {
	if f.shape == "" {
		return f.model.open(c)
	}
	c.status("making random weights")
	weights, err := randomModel(f.shape, f.typ, f.diffType)
	if err != nil {
		return nil, err
	}
	return &model{weights: weights}, nil
}
