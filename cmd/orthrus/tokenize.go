package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"orthrus/engine/tokenizer"
)

func newTokenize(c *console) *cobra.Command {
	var path string
	var asJSON, special bool
	cmd := &cobra.Command{
		Use:   "tokenize [TEXT]",
		Short: "Print the tokens of a text",
		Long:  "Print the tokens of a text, or of standard input: ids and what they stand for.",
		Args:  takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkModelPath(cmd.Flags(), path); err != nil {
				return err
			}
			text, err := textArgument(c, args)
			if err != nil {
				return err
			}
			f, _, err := openFile(c, path)
			if err != nil {
				return err
			}
			defer f.Close()
			tok, err := tokenizer.FromGGUF(f.Metadata)
			if err != nil {
				return fmt.Errorf("%s: %w", f.Path, err)
			}
			return printTokens(c.out, tok, tok.Encode(text, special), asJSON)
		},
	}
	fs := cmd.Flags()
	addModelPath(fs, &path)
	fs.BoolVar(&special, "special", false, "find control tokens such as <|im_end|> in the text")
	fs.BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// textArgument is the one argument, or standard input.
func textArgument(c *console, args []string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		return args[0], nil
	}
	if len(args) == 0 && c.inTerminal {
		return "", usagef("there is no text: give it as an argument or on standard input")
	}
	return c.readText("-")
}

func printTokens(w io.Writer, tok *tokenizer.Tokenizer, ids []int32, asJSON bool) error {
	pieces := make([]string, len(ids))
	for i, id := range ids {
		pieces[i], _ = tok.Token(id)
	}
	if asJSON {
		return writeJSON(w, map[string]any{"tokens": append([]int32{}, ids...), "pieces": pieces})
	}
	var b strings.Builder
	for i, id := range ids {
		fmt.Fprintf(&b, "%6d  %s\n", id, strconv.Quote(pieces[i]))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
