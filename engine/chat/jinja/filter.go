package jinja

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// A filter is what follows |.
type filter func(s *state, v Value, a arguments) Value

// filters are all filters. Those of lists are in filter_list.go.
var filters map[string]filter

func init() { // since the filter map looks filters up
	filters = map[string]filter{
		"abs":        abs,
		"capitalize": asMethod("capitalize"),
		"count":      lengthFilter,
		"d":          defaultFilter,
		"default":    defaultFilter,
		"dictsort":   dictSort,
		"first":      first,
		"float":      toFloat,
		"indent":     indent,
		"int":        toInt,
		"items":      itemsFilter,
		"join":       joinFilter,
		"last":       last,
		"length":     lengthFilter,
		"list":       listFilter,
		"lower":      asMethod("lower"),
		"map":        mapFilter,
		"reject":     selector("reject", false, false),
		"rejectattr": selector("rejectattr", true, false),
		"replace":    asMethod("replace"),
		"reverse":    reverse,
		"safe":       func(s *state, v Value, a arguments) Value { s.take("safe", a, 0); return v },
		"select":     selector("select", false, true),
		"selectattr": selector("selectattr", true, true),
		"sort":       sortFilter,
		"string":     func(s *state, v Value, a arguments) Value { s.take("string", a, 0); return s.text(v) },
		"title":      titleFilter,
		"tojson":     toJSON,
		"trim":       asMethod("strip"),
		"unique":     unique,
		"upper":      asMethod("upper"),
	}
}

// asMethod is a filter that is a method of the value's text.
func asMethod(name string) filter {
	return func(s *state, v Value, a arguments) Value { return stringMethods[name](s, s.text(v), a) }
}

// titleFilter makes the first letter of every word a capital. Unlike those of
// the method, words end at spaces, hyphens and opening brackets only.
func titleFilter(s *state, v Value, a arguments) Value {
	s.take("title", a, 0)
	text := s.text(v)
	s.work(3 * len(text))
	inside := false
	return strings.Map(func(r rune) rune {
		first := !inside
		inside = !isSpace(r) && !strings.ContainsRune("-({[<", r)
		if first {
			return unicode.ToUpper(r)
		}
		return unicode.ToLower(r)
	}, text)
}

func lengthFilter(s *state, v Value, a arguments) Value {
	s.take("length", a, 0)
	return int64(s.length(v))
}

func defaultFilter(s *state, v Value, a arguments) Value {
	args := s.take("default", a, 0, "default_value", "boolean")
	if isDefined(s, v, nil) && (truth(v) || !truth(args[1])) {
		return v
	}
	if !isDefined(s, args[0], nil) {
		return ""
	}
	return args[0]
}

func (s *state) defined(v Value) {
	if !isDefined(s, v, nil) {
		s.fail("cannot use %s", describe(v))
	}
}

func abs(s *state, v Value, a arguments) Value {
	s.take("abs", a, 0)
	if _, f, _, _ := number(v); f < 0 {
		return s.negative(v)
	}
	return s.binary("+", int64(0), v)
}

// toInt is the integer that a number or a text starts to be, or a default.
func toInt(s *state, v Value, a arguments) Value {
	absent := s.take("int", a, 0, "default")[0]
	if !isDefined(s, absent, nil) {
		absent = int64(0)
	}
	i, f, isInt, ok := number(v)
	if isInt {
		return i
	}
	s.defined(v)
	if text, isText := v.(string); isText {
		text = strings.TrimSpace(text)
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return i
		}
		var err error
		f, err = strconv.ParseFloat(text, 64)
		ok = err == nil
	}
	if !ok || !(math.Abs(f) < 1<<63) {
		return absent
	}
	return int64(f)
}

func toFloat(s *state, v Value, a arguments) Value {
	absent := s.take("float", a, 0, "default")[0]
	if !isDefined(s, absent, nil) {
		absent = 0.0
	}
	if _, f, _, ok := number(v); ok {
		return f
	}
	s.defined(v)
	if text, ok := v.(string); ok {
		if f, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil {
			return f
		}
	}
	return absent
}

// indent puts spaces before every line but the first.
func indent(s *state, v Value, a arguments) Value {
	args := s.take("indent", a, 0, "width", "first", "blank")
	text := s.str(v)
	by, ok := args[0].(string)
	if !ok {
		by = strings.Repeat(" ", s.times(s.intOr(args[0], 4), 1))
	}
	b := builder{state: s}
	if truth(args[1]) {
		b.add(by)
	}
	// Jinja ends the text with a newline before it splits it, so that one that
	// is there stays.
	for i, line := range s.lines(text+"\n", false) {
		if i > 0 {
			b.add("\n")
			if line != "" || truth(args[2]) {
				b.add(by)
			}
		}
		b.add(line.(string))
	}
	return b.String()
}
