package jinja

import (
	"encoding/json"
	"errors"
	"testing"
)

// No template panics, and every error names a line of it.
func FuzzRender(f *testing.F) {
	for _, c := range testCases(f) {
		f.Add(c.Template)
	}
	v := variables(f)
	f.Fuzz(func(t *testing.T, source string) {
		_, err := render(source, v)
		var e *Error
		if err != nil && (!errors.As(err, &e) || e.Line < 1) {
			t.Errorf("%q: %v", source, err)
		}
	})
}

// JSON that is decoded and written again is the same value.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"b": [1, -2.5, true, null], "a": {"\u00e9\ud83d\ude00\n\"": ""}}`, "1e400",
		"[", `{"a": 1, "a": 2}`, "18446744073709551615", "1e-7", "-0", "[] []", "\"\xff\""} {
		f.Add([]byte(text))
	}
	write, err := Parse("{{ v | tojson }}")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := DecodeJSON(text)
		if err != nil {
			return
		}
		written, err := write.Render(map[string]Value{"v": v}, now)
		if err != nil {
			return // nested too deep
		}
		if !json.Valid([]byte(written)) {
			t.Fatalf("%q is written as %q", text, written)
		}
		again, err := DecodeJSON([]byte(written))
		if err != nil {
			t.Fatal(err)
		}
		s := &state{left: baseWork, line: 1}
		if !s.equal(v, again) {
			t.Errorf("%q is written as %q", text, written)
		}
	})
}
