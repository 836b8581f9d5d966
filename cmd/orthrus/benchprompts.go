package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
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
func (f *benchFlags) readPrompts() ([]string, error) {
	switch {
	case f.prompts != nil:
		return f.prompts, nil
	case f.file == "":
		return demoPrompts, nil
	}
	file, err := os.Open(f.file)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxPrompt))
	if err != nil {
		return nil, err
	}
	prompts, err := parsePrompts(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.file, err)
	}
	return prompts, nil
}

// parsePrompts reads prompts: a JSON array of strings, {"cases": [{"prompt":
// ...}, ...]}, or text with one prompt a line.
func parsePrompts(data []byte) ([]string, error) {
	var prompts []string
	text := strings.TrimSpace(string(data))
	switch {
	case strings.HasPrefix(text, "{"):
		var file struct {
			Cases []struct{ Prompt string }
		}
		if err := json.Unmarshal(data, &file); err != nil {
			return nil, err
		}
		for _, c := range file.Cases {
			prompts = append(prompts, c.Prompt)
		}
	case strings.HasPrefix(text, "["):
		if err := json.Unmarshal(data, &prompts); err != nil {
			return nil, err
		}
	default:
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				prompts = append(prompts, line)
			}
		}
	}
	if len(prompts) == 0 {
		return nil, errors.New("no prompts: write one a line, a JSON array of strings, or {\"cases\": [{\"prompt\": ...}]}")
	}
	return prompts, nil
}
