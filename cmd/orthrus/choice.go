package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// choice is the value of a flag that takes one of a few words, in any case.
type choice struct {
	word  *string
	words []string
}

// choose declares such a flag. The shell completes its words.
func choose(fs *pflag.FlagSet, p *string, name, shorthand, value, usage string, words []string) {
	*p = value
	fs.VarP(&choice{p, words}, name, shorthand, usage)
}

func (c *choice) String() string { return *c.word }
func (c *choice) Type() string   { return "string" }

func (c *choice) Set(s string) error {
	i := slices.IndexFunc(c.words, func(w string) bool { return strings.EqualFold(w, s) })
	if i < 0 {
		return errors.New("choose " + alternatives(c.words))
	}
	*c.word = c.words[i]
	return nil
}

// alternatives lists words as a sentence does: a, b or c.
func alternatives(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// completeFlags tells the shell what the flags of a command take: one of their
// words, a file, or nothing that it could know.
func completeFlags(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		complete := cobra.NoFileCompletions
		if c, ok := f.Value.(*choice); ok {
			complete = cobra.FixedCompletions(c.words, cobra.ShellCompDirectiveNoFileComp)
		} else if _, ok := f.Value.(*backendFlag); ok {
			complete = cobra.FixedCompletions(backends, cobra.ShellCompDirectiveNoFileComp)
		} else if kind, _ := pflag.UnquoteUsage(f); kind == "file" {
			return // the shell's own
		}
		if err := cmd.RegisterFlagCompletionFunc(f.Name, complete); err != nil {
			panic(err) // the flag is declared, and once
		}
	})
}
