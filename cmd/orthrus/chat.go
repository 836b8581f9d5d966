package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

func newChat(c *console) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "chat",
		Short: "Talk with a model",
		Long: `Talk with a model, line by line. A line that ends in \ goes on in the next one,
and """ begins and ends a message of several lines. /help lists the commands.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(cmd); err != nil {
				return err
			}
			return startChat(cmd.Context(), c, &f)
		},
	}
	f.add(cmd)
	return cmd
}

func startChat(ctx context.Context, c *console, f *runFlags) error {
	m, err := f.start(c)
	if err != nil {
		return err
	}
	defer m.close()
	if m.template == nil {
		return m.fileError(errors.New("tokenizer.chat_template is missing, and chat needs one: use orthrus run -p"))
	}
	lines, err := newLineReader(c)
	if err != nil {
		return err
	}
	defer lines.Close()
	c.note("%s on %s", m.name(), m.net.Backend.Describe())
	c.note("/help lists the commands, Ctrl-D leaves")
	return newREPL(c, m, f, lines).run(ctx)
}
