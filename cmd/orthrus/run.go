package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"orthrus/engine"
)

// runFlags are the flags of run.
type runFlags struct {
	model    modelFlags
	sampling samplingFlags
	decode   decodeFlags
	template templateFlags
	prompt   string
	file     string
	raw      bool
	stops    []string
	json     bool
}

func newRun(c *console) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [-p PROMPT]",
		Short: "Answer one prompt",
		Long: `Answer one prompt, from -p, -f or standard input. On a terminal and without a
prompt this is chat. The answer goes to standard output, everything else to
standard error.`,
		Example: `  orthrus run -p "Write a Go enum Color with values Red, Green, Blue and a String method."
  git diff | orthrus run -m model.gguf --system "Write a commit message for this diff." > message`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			prompt, given, err := f.read(cmd, c)
			if err != nil {
				return err
			}
			if !given {
				if f.raw || f.json {
					return usagef("--raw and --json need a prompt: give -p or -f")
				}
				return startChat(cmd.Context(), c, &f)
			}
			return f.run(cmd.Context(), c, prompt)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.prompt, "prompt", "p", "", "the `prompt`")
	fs.StringVarP(&f.file, "file", "f", "", "`file` with the prompt; - is standard input")
	fs.BoolVar(&f.raw, "raw", false, "continue the prompt as it is, without the chat template")
	fs.BoolVar(&f.json, "json", false, "print one JSON object instead of text")
	f.add(cmd)
	return cmd
}

// add declares the flags that run and chat share.
func (f *runFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	f.template.add(fs)
	fs.StringArrayVar(&f.stops, "stop", nil, "end the answer before this `text`; may be repeated")
	f.decode.add(fs)
	f.sampling.add(fs)
	f.model.add(fs)
}

func (f *runFlags) check(cmd *cobra.Command) error {
	if f.raw && f.template.given() {
		return usagef("--raw: without a chat template, --system, --think and --no-think have no place")
	}
	if cmd.Flags().Changed("prompt") && cmd.Flags().Changed("file") {
		return usagef("-p and -f: give one prompt")
	}
	for _, check := range []func() error{f.model.check, f.sampling.check, f.decode.check, f.template.check} {
		if err := check(); err != nil {
			return err
		}
	}
	return checkStops(f.stops)
}

// read returns the prompt; given is false where a person is at the terminal and
// gave none. The newline that ends a file is not part of the prompt.
func (f *runFlags) read(cmd *cobra.Command, c *console) (prompt string, given bool, err error) {
	changed := cmd.Flags().Changed
	switch {
	case changed("prompt"):
		prompt = f.prompt
	case changed("file"):
		prompt, err = c.readText(f.file)
	case !c.inTerminal:
		prompt, err = c.readText("-")
	default:
		return "", false, nil
	}
	if !changed("prompt") {
		prompt = strings.TrimSuffix(strings.TrimSuffix(prompt, "\n"), "\r")
	}
	if err == nil && prompt == "" {
		err = usagef("the prompt is empty: give -p, -f or standard input")
	}
	return prompt, true, err
}

// start opens the model and a conversation with it.
func (f *runFlags) start(c *console) (*model, error) {
	m, err := f.model.open(c)
	if err != nil {
		return nil, err
	}
	if err = m.check(f.decode.options()); err == nil && !f.raw {
		err = m.loadTemplate(c)
	}
	if err == nil {
		err = m.converse(c, &f.model, min(m.weights.Context, defaultContext))
	}
	if err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (f *runFlags) run(ctx context.Context, c *console, prompt string) error {
	m, err := f.start(c)
	if err != nil {
		return err
	}
	defer m.close()
	if m.template == nil && !f.raw {
		c.note("%s has no chat template: the prompt is taken as it is, as with --raw", m.name())
	}
	if prompt, err = m.opening(&f.template, prompt); err != nil {
		return err
	}
	o := f.decode.options()
	o.Sampling = f.sampling.options(m.weights.Sampling)

	ctx, stop := c.interruptible(ctx)
	defer stop()
	screen := newDisplay(c, prompt)
	show := screen.show
	if f.json {
		show = func(string) error { return nil }
	}
	a, err := m.generate(ctx, m.tok.Encode(prompt, true), o, f.stops, show)
	if !f.json {
		screen.end(false)
	}
	if err != nil {
		return err
	}
	if f.json {
		err = m.writeResult(c.out, a, o)
	} else {
		c.note("%s", m.summary(a.stats, o))
	}
	if err == nil && a.stats.Stop == engine.StopInterrupted {
		err = errInterrupted
	}
	return err
}

// runResult is the object that run --json prints.
type runResult struct {
	Model        string      `json:"model"`
	Backend      string      `json:"backend"`
	Mode         string      `json:"mode"`
	Seed         *uint64     `json:"seed,omitempty"` // nil: greedy
	PromptTokens int         `json:"prompt_tokens"`
	Tokens       []int32     `json:"tokens"`
	Text         string      `json:"text"`
	Stop         engine.Stop `json:"stop"`
	Steps        int         `json:"steps"`
	Accepted     []int       `json:"accepted"`
	Forwards     int         `json:"forwards"`
	Timings      timings     `json:"timings"`
}

type timings struct {
	Load      float64 `json:"load_s"`
	Prompt    float64 `json:"prompt_s"`
	Decode    float64 `json:"decode_s"`
	PromptTPS float64 `json:"prompt_tps"`
	DecodeTPS float64 `json:"decode_tps"`
}

func (m *model) writeResult(w io.Writer, a answer, o engine.GenerateOptions) error {
	s := a.stats
	var seed *uint64
	if !o.Sampling.Greedy() {
		seed = &o.Sampling.Seed
	}
	return writeJSON(w, runResult{
		Model: m.name(), Backend: m.net.Backend.Name(), Mode: m.mode(o), Seed: seed,
		PromptTokens: s.Prompt, Tokens: append([]int32{}, a.ids...), Text: a.text, Stop: s.Stop,
		Steps: len(s.Accepted), Accepted: append([]int{}, s.Accepted...), Forwards: s.Forwards,
		Timings: timings{m.loadTime.Seconds(), s.PromptTime.Seconds(), s.DecodeTime.Seconds(), promptRate(s), decodeRate(s)},
	})
}
