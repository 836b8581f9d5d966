// Command orthrus converts Orthrus-Qwen3 checkpoints to GGUF and runs them.
package main

import (
	"context"
	"os"

	"github.com/spf13/cobra"
)

func main() { os.Exit(execute(context.Background(), standardStreams(), os.Args[1:])) }

// execute runs one command line and returns the exit status.
func execute(ctx context.Context, c *console, args []string) int {
	started := false
	root := newRoot(c)
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil && !started { // cobra refused the arguments
		err = usageError{err}
	}
	return c.report(err)
}

func newRoot(c *console) *cobra.Command {
	root := &cobra.Command{
		Use:   "orthrus",
		Short: "Run Orthrus checkpoints on this computer",
		Long: `orthrus converts Orthrus-Qwen3 checkpoints to GGUF and runs them on this computer,
drafting and verifying several tokens a step. Without -m it runs a small demo
model that the program carries.`,
		Example: `  orthrus run -p "Write a Go enum Color with values Red, Green, Blue and a String method."
  orthrus convert ./Orthrus-Qwen3-1.7B --type q4_k_m
  orthrus chat -m Orthrus-Qwen3-1.7B-q4_k_m.gguf`,
		Version: versionText(),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%q is no command: orthrus --help lists them", args[0])
			}
			return nil
		},
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetVersionTemplate("{{.Version}}")
	root.DisableSuggestions = true // an error is one line
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w: %s --help lists the flags", err, cmd.CommandPath())
	})
	root.AddCommand(
		newConvert(c), newQuantize(c), newRun(c), newChat(c), newBench(c),
		newInspect(c), newTokenize(c), newVersion(c),
	)
	return root
}
