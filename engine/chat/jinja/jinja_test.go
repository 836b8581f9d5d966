package jinja

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

// now is the time that testdata/reference.py gives.
var now = time.Date(2025, 3, 4, 15, 6, 7, 0, time.UTC)

func variables(t testing.TB) map[string]Value {
	t.Helper()
	text, err := os.ReadFile("testdata/variables.json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := DecodeJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	d := v.(*Dict)
	variables := map[string]Value{}
	for _, key := range d.keys {
		variables[key.(string)] = d.values[key]
	}
	return variables
}

type testCase struct {
	Template string
	Text     string
	Error    string
}

func testCases(t testing.TB) []testCase {
	t.Helper()
	text, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []testCase
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func render(source string, variables map[string]Value) (string, error) {
	t, err := Parse(source)
	if err != nil {
		return "", err
	}
	return t.Render(variables, now)
}

// Where Jinja prints an object of Python's, or takes more than it says, there is
// an error.
func TestRefused(t *testing.T) {
	for _, source := range []string{"{{ 'a'.upper }}", "{{ [namespace] }}", "{{ [1] | selectattr }}", "{{ [][] }}",
		"{{ 'a' | map('upper', 1) | list }}", "{{ 99999999999999999999 }}", "{{ 'a %s' % 1 }}", "{% include 'a' %}",
		"{% import 'a' as b %}", "{% extends 'a' %}", "{% call m() %}{% endcall %}", "{{ f(*a) }}", "{{ f(**a) }}",
		"{{ self }}{{ cycler() }}", "{{ lipsum() }}", "{% for x in [1] recursive %}{% endfor %}"} {
		if text, err := render(source, nil); err == nil {
			t.Errorf("%s renders %q", source, text)
		}
	}
}

// A statement of transformers marks what the assistant wrote.
func TestGeneration(t *testing.T) {
	got, err := render("{% set a = 1 %}{% generation %}x{% set a = 2 %}{{ a }}{% endgeneration %}{{ a }}", nil)
	if err != nil || got != "x21" {
		t.Errorf("%q, %v", got, err)
	}
}

// Templates render as Jinja itself renders them, and fail where it fails.
// testdata/reference.py says how the expected texts were made.
func TestCases(t *testing.T) {
	v := variables(t)
	for _, c := range testCases(t) {
		got, err := render(c.Template, v)
		switch {
		case c.Error != "" && err == nil:
			t.Errorf("%s\n got %q\nwant the error %s", c.Template, got, c.Error)
		case c.Error == "" && err != nil:
			t.Errorf("%s\n got the error %v\nwant %q", c.Template, err, c.Text)
		case got != c.Text:
			t.Errorf("%s\n got %q\nwant %q", c.Template, got, c.Text)
		}
	}
}
