package jinja

import (
	"slices"
	"strings"
)

// arguments are the arguments of a call.
type arguments struct {
	list  List
	named Dict
}

// take returns the arguments in the order of the parameters' names, the first
// required of which must be there; the others are undefined if absent.
func (s *state) take(f string, a arguments, required int, names ...string) List {
	if len(a.list) > len(names) {
		s.fail("%s takes %d arguments, not %d", f, len(names), len(a.list))
	}
	s.work(elementWork * len(names))
	values := make(List, len(names))
	copy(values, a.list)
	for i := len(a.list); i < len(names); i++ {
		values[i] = undefined{names[i]}
	}
	for _, key := range a.named.keys {
		i := slices.Index(names, key.(string))
		if i < len(a.list) {
			s.fail("%s has no argument '%s', or has it twice", f, key)
		}
		values[i] = a.named.values[key]
	}
	for _, v := range values[:required] {
		if u, ok := v.(undefined); ok {
			s.fail("%s needs the argument '%s'", f, u.name)
		}
	}
	return values
}

// str returns an argument that must be a string.
func (s *state) str(v Value) string {
	text, ok := v.(string)
	if !ok {
		s.fail("expected a string, not %s", describe(v))
	}
	return text
}

// strOr returns an argument that is a string, or the default if it is absent.
func (s *state) strOr(v Value, absent string) string {
	switch v.(type) {
	case nil, undefined:
		return absent
	}
	return s.str(v)
}

// intOr returns an argument that is an integer, or the default if it is absent.
func (s *state) intOr(v Value, absent int64) int64 {
	switch v.(type) {
	case nil, undefined:
		return absent
	}
	i, _, isInt, _ := number(v)
	if !isInt {
		s.fail("expected an integer, not %s", describe(v))
	}
	return i
}

// functions are the functions of every template.
var functions = map[string]function{
	"range":           rangeFunction,
	"dict":            func(s *state, a arguments) Value { return new(s.pairs("dict", a)) },
	"namespace":       func(s *state, a arguments) Value { return &namespace{s.pairs("namespace", a)} },
	"raise_exception": raise,
	"strftime_now":    strftimeNow,
}

func rangeFunction(s *state, a arguments) Value {
	v := s.take("range", a, 1, "start", "stop", "step")
	start, stop, step := s.intOr(v[0], 0), s.intOr(v[1], 0), s.intOr(v[2], 1)
	if len(a.list) == 1 {
		start, stop = 0, start
	}
	if step == 0 {
		s.fail("range cannot have step 0")
	}
	var list List
	for i := start; step > 0 && i < stop || step < 0 && i > stop; {
		s.work(elementWork)
		list = append(list, i)
		next := i + step
		if (next > i) != (step > 0) {
			break // beyond 64 bits, and so beyond stop
		}
		i = next
	}
	return list
}

// pairs returns a new dictionary of an optional one and of named arguments.
func (s *state) pairs(f string, a arguments) Dict {
	var d Dict
	if of, ok := s.take(f, arguments{list: a.list}, 0, "pairs")[0].(*Dict); ok {
		s.copyPairs(&d, of)
	} else if len(a.list) > 0 {
		s.fail("%s takes a dictionary, not %s", f, describe(a.list[0]))
	}
	s.copyPairs(&d, &a.named)
	return d
}

func (s *state) copyPairs(to, from *Dict) {
	s.work(pairWork * len(from.keys))
	for _, key := range from.keys {
		to.Set(key, from.values[key])
	}
}

func raise(s *state, a arguments) Value {
	s.fail("%s", s.text(s.take("raise_exception", a, 1, "message")[0]))
	return nil
}

// directives are those of C's strftime, in Go's layouts.
var directives = map[string]string{
	"%a": "Mon", "%A": "Monday", "%b": "Jan", "%B": "January", "%d": "02", "%-d": "2", "%e": "_2", "%m": "01",
	"%-m": "1", "%y": "06", "%Y": "2006", "%H": "15", "%I": "03", "%-I": "3", "%M": "04", "%S": "05", "%p": "PM",
	"%j": "002", "%F": "2006-01-02", "%T": "15:04:05",
}

func strftimeNow(s *state, a arguments) Value {
	format := s.str(s.take("strftime_now", a, 1, "format")[0])
	b := builder{state: s}
	for {
		i := strings.IndexByte(format, '%')
		if i < 0 || i+1 == len(format) {
			b.add(format)
			return b.String()
		}
		b.add(format[:i])
		n := 2
		if format[i+1] == '-' {
			n = 3
		}
		directive := format[i:min(i+n, len(format))]
		format = format[i+len(directive):]
		if layout, ok := directives[directive]; ok {
			b.add(s.now.Format(layout))
		} else if directive == "%%" {
			b.add("%")
		} else {
			s.fail("strftime_now does not know %q", directive)
		}
	}
}
