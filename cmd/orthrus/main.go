// Command orthrus converts Orthrus-Qwen3 checkpoints to GGUF and runs them.
package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() { os.Exit(execute(context.Background(), standardStreams(), os.Args[1:])) }

// execute runs one command line and returns the exit status.
func execute(ctx context.Context, c *console, args []string) int {
	root := newRoot(c)
	root.SetArgs(args)
	return c.report(root.ExecuteContext(ctx))
}

func newRoot(c *console) *cobra.Command {
	root := &cobra.Command{
		Use:   "orthrus",
		Short: "Run Orthrus checkpoints on this computer",
		Long: `orthrus converts Orthrus-Qwen3 checkpoints to GGUF and runs them on this computer,
drafting and verifying several tokens a step. Without -m it runs a small demo
model that the program carries.

Exit status: 0 done, 1 a failure, 2 a mistake in the arguments, 130 interrupted.`,
		Example: `  orthrus run -p "Write a Go enum Color with values Red, Green, Blue and a String method."
  orthrus convert ./Orthrus-Qwen3-1.7B --type q4_k_m
  orthrus chat -m Orthrus-Qwen3-1.7B-q4_k_m.gguf`,
		Version: versionText(),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(args[0])
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
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(newHelp())
	root.AddCommand(
		newConvert(c), newQuantize(c), newRun(c), newChat(c), newBench(c),
		newInspect(c), newTokenize(c), newDevices(c), newVersion(c), newCompletion(c),
	)
	for _, cmd := range root.Commands() {
		completeFlags(cmd)
	}
	return root
}

// takes checks how many arguments there are. The command's usage names them.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("an argument is missing: %s", cmd.UseLine())
		case len(args) > most:
			return usagef("%q is one argument too many: %s", args[most], cmd.UseLine())
		}
		return nil
	}
}

// flagError says what a flag takes, in words of the command line.
func flagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return usagef("%w: %s --help lists the flags", err, cmd.CommandPath())
	}
	cause := invalid.Unwrap()
	if errors.Is(cause, strconv.ErrRange) {
		cause = errors.New("out of range")
	} else if errors.Is(cause, strconv.ErrSyntax) {
		cause = errors.New("it takes " + map[string]string{
			"bool": "true or false", "float64": "a number", "int": "a whole number", "uint64": "a whole number, 0 or more",
		}[invalid.GetFlag().Value.Type()])
	}
	return usagef("--%s %q: %w", invalid.GetFlag().Name, invalid.GetValue(), cause)
}

func noCommand(name string) error {
	return usagef("%q is no command: orthrus --help lists them", name)
}

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
			for _, sub := range cmd.Root().Commands() {
				if len(args) == 0 && !sub.Hidden {
					names = append(names, sub.Name())
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			target, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noCommand(strings.Join(args, " "))
			}
			target.InitDefaultHelpFlag() // as target --help would
			return target.Help()
		},
	}
}

var shells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletion(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that makes a shell complete commands, flags and types",
		Example: `  source <(orthrus completion bash)    # in ~/.bashrc; needs the package bash-completion
  orthrus completion zsh > "${fpath[1]}/_orthrus"
  orthrus completion fish > ~/.config/fish/completions/orthrus.fish
  orthrus completion powershell | Out-String | Invoke-Expression    # in $PROFILE`,
		Args:      takes(1, 1),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(c.out, true)
			case "zsh":
				return root.GenZshCompletion(c.out)
			case "fish":
				return root.GenFishCompletion(c.out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(c.out)
			}
			return usagef("%q: choose %s", args[0], alternatives(shells))
		},
	}
}
