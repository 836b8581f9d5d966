package jinja

import (
	"strings"
	"testing"
)

// Templates that would hang, exhaust memory or overflow the stack end with an
// error. They are small: what they do grows as they run.
func TestLimits(t *testing.T) {
	const doubling = "{% for i in range(99) %}{% set ns.x = "
	start := func(x string) string { return "{% set ns = namespace(x=" + x + ") %}" }
	for _, source := range []string{
		"{% for i in range(10 ** 12) %}{% endfor %}",
		"{% for i in range(-(2 ** 62), 2 ** 62, 2 ** 61) %}{{ i }}{% endfor %}{{ range(0, 10 ** 12, 1) }}",
		"{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
		"{% for a in range(9999) %}{% for b in range(9999) if b is odd %}{% endfor %}{% endfor %}",
		"{% for a in range(9999) %}{% for b in range(9999) %}xxxx{% endfor %}{% endfor %}",
		"{{ 'a' * 10 ** 12 }}",
		"{{ 'ab' * 2 ** 62 }}",
		"{{ [0, 1] * 2 ** 62 }}",
		"{{ 10 ** 9 * [none] }}",
		start("'a'") + doubling + "ns.x + ns.x %}{% endfor %}",
		start("'a'") + doubling + "ns.x ~ ns.x %}{% endfor %}",
		start("'aa'") + doubling + "ns.x | replace('a', ns.x) %}{% endfor %}",
		start("'aa'") + doubling + "ns.x.join(ns.x | list) %}{% endfor %}",
		start("'aa'") + doubling + "[ns.x, ns.x] | join %}{% endfor %}",
		start("[1]") + doubling + "ns.x + ns.x %}{% endfor %}",
		start("[1]") + doubling + "[ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
		start("[1]") + doubling + "[ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}",
		start("[1]") + doubling + "[ns.x, ns.x] %}{% endfor %}{{ ns.x == ns.x }}",
		start("[1]") + doubling + "[ns.x, ns.x] %}{% endfor %}{{ ns.x < ns.x }}",
		start("[1]") + doubling + "{'a': ns.x, 'b': ns.x} %}{% endfor %}{{ ns.x ~ '' }}",
		start("'aa'") + doubling + "%}{{ ns.x }}{{ ns.x }}{% endset %}{% endfor %}",
		start("[1]") + "{% for i in range(999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
		start("[1]") + "{% for i in range(999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x | tojson }}",
		start("[1]") + "{% for i in range(999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x == ns.x }}",
		start("1") + "{% set ns.x = ns %}{{ ns }}",
		start("1") + "{% set ns.x = [ns] %}{{ ns.x ~ '' }}",
		"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
		"{% macro a(f, g) %}{{ g(g, f) }}{% endmacro %}{{ a(a, a) }}",
		"{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(99) }}",
		"{{ 'a\nb' | indent(10 ** 12) }}",
		"{{ [1] | tojson(indent=10 ** 12) }}",
		"{{ [[1]] | tojson(indent='x' * 10 ** 6, separators=('y' * 10 ** 7, 'z')) }}{{ ('y' * 10 ** 7) * 9 }}",
		"{{ 10 ** 10 ** 2 }}",
		"{{ 9223372036854775807 + 1 }}",
		"{{ -9223372036854775807 - 2 }}",
		"{{ 9223372036854775807 * 2 }}",
		"{{ (-9223372036854775807 - 1) // -1 }}",
		"{{ -(-9223372036854775807 - 1) }}",
		"{% set l = range(10 ** 5) | list %}{{ l | map('string') | unique | list | length }}",
		"{% set l = range(10 ** 6) | list %}{% for i in l %}{{ -1 in l }}{% endfor %}",
		"{% set s = 'x' * 10 ** 6 %}{% for i in range(10 ** 4) %}{% if 'y' in s %}{% endif %}{% endfor %}",
		"{% set s = 'x' * 10 ** 6 %}{% for i in range(10 ** 4) %}{% set a = s.upper() | length %}{% endfor %}",
		"{% set s = 'x' * 10 ** 5 %}{% set a = s.strip('y' * 10 ** 5 + 'x') %}",
		"{{ strftime_now('%A' * 10 ** 8) }}",
	} {
		if text, err := render(source, nil); err == nil {
			t.Errorf("%s renders %.100q", source, text)
		}
	}
}

// Nesting is limited before it can overflow the stack.
func TestNesting(t *testing.T) {
	const n = 30_000
	for _, c := range []struct{ begin, open, inner, end, finish string }{
		{"{{ ", "(", "1", ")", " }}"},
		{"{{ ", "[", "1", "]", " }}"},
		{"{{ ", "{1:", "1", "}", " }}"},
		{"{{ ", "x[", "1", "]", " }}"},
		{"{{ ", "f(", "1", ")", " }}"},
		{"{{ ", "not ", "1", "", " }}"},
		{"{{ ", "-", "1", "", " }}"},
		{"{{ ", "1 + ", "1", "", " }}"},
		{"{{ ", "1 ** ", "1", "", " }}"},
		{"{{ ", "a ~ ", "1", "", " }}"},
		{"{{ ", "a and ", "1", "", " }}"},
		{"{{ ", "a or ", "1", "", " }}"},
		{"{{ ", "1 if 1 else ", "1", "", " }}"},
		{"{{ x", " if 1", "", "", " }}"},
		{"{{ x", ".a", "", "", " }}"},
		{"{{ x", "[0]", "", "", " }}"},
		{"{{ x", "()", "", "", " }}"},
		{"{{ x", "|list", "", "", " }}"},
		{"{{ x", " is defined", "", "", " }}"},
		{"{% filter list", "|list", "", "", " %}{% endfilter %}"},
		{"{% set ", "(", "x", ")", " = 1 %}"},
		{"", "{% if 1 %}", "", "{% endif %}", ""},
		{"", "{% for x in y %}", "", "{% endfor %}", ""},
		{"", "{% macro m() %}", "", "{% endmacro %}", ""},
		{"", "{% set x %}", "", "{% endset %}", ""},
	} {
		source := func(n int) string {
			return c.begin + strings.Repeat(c.open, n) + c.inner + strings.Repeat(c.end, n) + c.finish
		}
		if _, err := Parse(source(20)); err != nil {
			t.Errorf("%s: %v", source(20), err)
		}
		if _, err := Parse(source(n)); err == nil || !strings.Contains(err.Error(), "nested") {
			t.Errorf("%s, %d times: %v", source(1), n, err)
		}
	}
	if _, err := Parse(strings.Repeat("a", maxSource+1)); err == nil {
		t.Error("a template of more than maxSource bytes is parsed")
	}
	if _, err := DecodeJSON([]byte(strings.Repeat("[", n) + strings.Repeat("]", n))); err == nil {
		t.Error("deep JSON is decoded")
	}
}

// What a rendering may do grows with its variables: a long conversation is no
// hostile template.
func TestWorkGrows(t *testing.T) {
	const source = "{% for m in l %}{% for c in [m, m, m, m] %}{{ c.upper().strip() }}{% endfor %}{% endfor %}"
	message := strings.Repeat("x", 1<<20)
	l := List{}
	for range 16 {
		l = append(l, message)
	}
	text, err := render(source, map[string]Value{"l": l})
	if want := 4 * 16 << 20; err != nil || len(text) != want {
		t.Errorf("%d bytes of text, %v; want %d", len(text), err, want)
	}
}
