package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"orthrus/engine"
	"orthrus/engine/chat"
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
	if f.raw && (f.template.system != "" || f.template.think || f.template.noThink) {
		return usagef("--raw: there is no chat template to put --system, --think or --no-think into")
	}
	if cmd.Flags().Changed("prompt") && f.file != "" {
		return usagef("-p and -f: give one prompt")
	}
	for _, check := range []func() error{f.model.check, f.sampling.check, f.decode.check, f.template.check} {
		if err := check(); err != nil {
			return err
		}
	}
	return checkStops(f.stops)
}

// maxPrompt bounds a prompt file, in bytes.
const maxPrompt = 64 << 20

// read returns the prompt; given is false where a person is at the terminal and
// gave none. The newline that ends a file is not part of the prompt.
func (f *runFlags) read(cmd *cobra.Command, c *console) (prompt string, given bool, err error) {
	var in io.Reader
	switch {
	case cmd.Flags().Changed("prompt"):
		prompt = f.prompt
	case f.file != "" && f.file != "-":
		file, err := os.Open(f.file)
		if err != nil {
			return "", false, err
		}
		defer file.Close()
		in = file
	case f.file == "-" || !c.inTerminal:
		in = c.in
	default:
		return "", false, nil
	}
	if in != nil {
		data, err := io.ReadAll(io.LimitReader(in, maxPrompt+1))
		if err != nil {
			return "", false, err
		}
		if len(data) > maxPrompt {
			return "", false, errors.New("the prompt is larger than 64 MiB")
		}
		prompt = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	}
	if prompt == "" {
		return "", false, usagef("the prompt is empty: give -p, -f or standard input")
	}
	return prompt, true, nil
}

func (f *runFlags) run(ctx context.Context, c *console, prompt string) error {
	m, err := f.model.open(c)
	if err != nil {
		return err
	}
	defer m.close()
	d, err := m.decoder(&f.model)
	if err != nil {
		return err
	}
	defer d.Close()
	if !f.raw {
		if prompt, err = m.render(f.template.conversation(prompt), f.template.thinking(m.demo)); err != nil {
			return err
		}
	}
	o := f.decode.options()
	o.Sampling = f.sampling.options(m.net.Sampling)

	ctx, stop := c.interruptible(ctx)
	defer stop()
	screen := newDisplay(c, prompt)
	show := screen.show
	if f.json {
		show = func(string) error { return nil }
	}
	a, err := m.generate(ctx, d, m.tok.Encode(prompt, true), o, f.stops, show)
	if !f.json {
		screen.end()
	}
	if err != nil {
		return err
	}
	if f.json {
		err = m.writeJSON(c.out, a, o)
	} else {
		c.note("%s", m.summary(a.stats, o))
	}
	if err == nil && a.stats.Stop == engine.StopInterrupted {
		err = errInterrupted
	}
	return err
}

// conversation is a prompt as the first turn.
func (f *templateFlags) conversation(prompt string) []chat.Message {
	var messages []chat.Message
	if f.system != "" {
		messages = append(messages, chat.Message{Role: "system", Content: f.system})
	}
	return append(messages, chat.Message{Role: "user", Content: prompt})
}

// runResult is the object that run --json prints.
type runResult struct {
	Model        string      `json:"model"`
	Backend      string      `json:"backend"`
	Mode         string      `json:"mode"`
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

func (m *model) writeJSON(w io.Writer, a answer, o engine.GenerateOptions) error {
	s := a.stats
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(runResult{
		Model: m.name(), Backend: m.net.Backend.Name(), Mode: m.mode(o),
		PromptTokens: s.Prompt, Tokens: append([]int32{}, a.ids...), Text: a.text, Stop: s.Stop,
		Steps: len(s.Accepted), Accepted: append([]int{}, s.Accepted...), Forwards: s.Forwards,
		Timings: timings{m.loadTime.Seconds(), s.PromptTime.Seconds(), s.DecodeTime.Seconds(), promptRate(s), decodeRate(s)},
	})
}
