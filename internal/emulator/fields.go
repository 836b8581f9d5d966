//go:build emulator && linux

package emulator

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	alignForm      = regexp.MustCompile(`\balignas\s*\([^)]*\)|\b(?:const|volatile|__restrict__|struct)\b`)
	structForm     = regexp.MustCompile(`\bstruct\s+(?:alignas\s*\([^)]*\)\s*)?$`)
	declaratorForm = regexp.MustCompile(`^\s*([\w:\s]*?)\s*(\**)\s*(\w+)\s*(\[.*\])?\s*$`)
)

// Leaves lists the fields of a struct of preprocessed C++ that have no fields themselves, by their path. An array is one
// field; one of structs is followed by the fields of its first element.
func Leaves(text, name, path string) ([]string, error) {
	body, ok := structBody(text, name)
	if !ok {
		return nil, fmt.Errorf("struct %s is not there", name)
	}
	var list []string
	for _, statement := range statements(body) {
		var of string // the type that declarators share
		for i, declarator := range strings.Split(alignForm.ReplaceAllString(statement, " "), ",") {
			m := declaratorForm.FindStringSubmatch(declarator)
			if m == nil || i == 0 && m[1] == "" {
				return nil, fmt.Errorf("struct %s: no field: %q", name, statement)
			}
			if i == 0 {
				of = m[1]
			}
			field := path + m[3]
			_, nested := structBody(text, of)
			nested = nested && m[2] == ""
			if !nested || m[4] != "" {
				list = append(list, field)
			}
			if nested {
				if m[4] != "" {
					field += "[0]"
				}
				inner, err := Leaves(text, of, field+".")
				if err != nil {
					return nil, err
				}
				list = append(list, inner...)
			}
		}
	}
	return list, nil
}

// structBody is what stands between the braces of a struct.
func structBody(text, name string) (string, bool) {
	for {
		before, after, ok := strings.Cut(text, name)
		if !ok {
			return "", false
		}
		if body, opens := strings.CutPrefix(strings.TrimLeft(after, " \n"), "{"); opens && structForm.MatchString(before[max(0, len(before)-100):]) {
			return body[:Closing(body)], true
		}
		text = after
	}
}

// Closing is the place of the brace that closes one opened before text, or its end.
func Closing(text string) int {
	depth := 1
	for i, c := range text {
		switch c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(text)
}

// statements are the declarations of fields in a struct's body; functions are left out.
func statements(body string) []string {
	var list []string
	for body != "" {
		i := strings.IndexAny(body, ";{")
		if i < 0 {
			break
		}
		one := strings.TrimSpace(body[:i])
		if body[i] == '{' {
			i += 1 + Closing(body[i+1:])
		} else if one != "" && !strings.Contains(alignForm.ReplaceAllString(one, ""), "(") && !strings.HasPrefix(one, "static") {
			list = append(list, one)
		}
		body = body[i+1:]
	}
	return list
}
