package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// demoPrompts are of the kinds that the demo model was trained on.
var demoPrompts = []string{
	"Write a Go enum Color with values Red, Green, Blue and a String method.",
	"Write a Go struct Motor with fields status string, rank int, active bool, limit int and getter methods.",
	"Write a table-driven Go test for func Mul(a, b int) int with the inputs (7, 7), (8, 2), (6, 11).",
	"Write Go error variables for package key: locked, expired, permission denied, too large.",
	"Convert this CSV to JSON:\nupdated,phone\neast,John\nsunday,saturday\nwhite,cherry",
	"Show the multiplication table of 9 up to 12.",
	"Write Go HTTP handlers for the routes /users, /orders.",
	"Write the Go function trimLeftByte from package bytes.",
}

// readPrompts returns the prompts to decode.
func (f *benchFlags) readPrompts(c *console) ([]string, error) {
	switch {
	case slices.Contains(f.prompts, ""):
		return nil, usagef("-p: the prompt is empty")
	case f.prompts != nil:
		return f.prompts, nil
	case f.file == "":
		return demoPrompts, nil
	}
	text, err := c.readText(f.file)
	if err != nil {
		return nil, err
	}
	prompts, err := parsePrompts(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.file, err)
	}
	return prompts, nil
}

// parsePrompts reads prompts: a JSON array of strings, {"cases": [{"prompt":
// ...}, ...]}, or text with one prompt a line.
func parsePrompts(text string) ([]string, error) {
	var prompts []string
	text = strings.TrimSpace(text)
	switch {
	case strings.HasPrefix(text, "{"):
		var file struct {
			Cases []struct{ Prompt string }
		}
		if err := json.Unmarshal([]byte(text), &file); err != nil {
			return nil, err
		}
		for _, c := range file.Cases {
			prompts = append(prompts, c.Prompt)
		}
	case strings.HasPrefix(text, "["):
		if err := json.Unmarshal([]byte(text), &prompts); err != nil {
			return nil, err
		}
	default:
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				prompts = append(prompts, line)
			}
		}
	}
	if i := slices.Index(prompts, ""); i >= 0 {
		return nil, fmt.Errorf("prompt %d is empty", i+1)
	}
	if len(prompts) == 0 {
		return nil, errors.New("no prompts: write one a line, a JSON array of strings, or {\"cases\": [{\"prompt\": ...}]}")
	}
	return prompts, nil
}
