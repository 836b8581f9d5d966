package jinja

import (
	"cmp"
	"math"
	"strconv"
	"strings"
)

// A Value is nil (none), a bool, an int64, a float64, a string, a [List], a
// [*Dict], or one of the values that only templates make: namespaces, functions
// and what is undefined. Strings, lists and dictionaries never change.
type Value any

// A List is a list or tuple.
type List []Value

// A Dict is a dictionary that keeps the order of its keys, which are strings
// and int64s. Its zero value is empty.
type Dict struct {
	keys   List
	values map[Value]Value
}

// Set sets the value of a key.
func (d *Dict) Set(key, v Value) {
	if d.values == nil {
		d.values = map[Value]Value{}
	}
	if _, ok := d.values[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.values[key] = v
}

func (d *Dict) get(key Value) (v Value, ok bool) {
	if key, ok = asKey(key); ok {
		v, ok = d.values[key]
	}
	return v, ok
}

// asKey returns a value as the key that it equals.
func asKey(v Value) (key Value, ok bool) {
	if text, ok := v.(string); ok {
		return text, true
	}
	i, f, isInt, isNumber := number(v)
	if isNumber && !isInt && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int64(f), true
	}
	return i, isInt
}

// undefined is the value of a name or attribute that is not there.
type undefined struct{ name string }

// A namespace is what namespace() makes: the one value that changes.
type namespace struct{ attributes Dict }

// A function is one of the template's macros or of its environment.
type function func(s *state, a arguments) Value

func typeName(v Value) string {
	switch v.(type) {
	case nil:
		return "none"
	case bool:
		return "boolean"
	case int64:
		return "integer"
	case float64:
		return "float"
	case string:
		return "string"
	case List:
		return "list"
	case *Dict:
		return "dictionary"
	case *namespace:
		return "namespace"
	case undefined:
		return "undefined value"
	}
	return "function"
}

// describe names a value in a message.
func describe(v Value) string {
	if u, ok := v.(undefined); ok {
		return "'" + u.name + "', which is undefined"
	}
	return "a value of type " + typeName(v)
}

// size is the memory of a value in units of work.
func size(v Value) int {
	n := elementWork
	switch v := v.(type) {
	case string:
		n += len(v)
	case List:
		for _, e := range v {
			n += size(e)
		}
	case *Dict:
		for _, key := range v.keys {
			n += size(key) + size(v.values[key])
		}
	}
	return n
}

// truth is Python's bool(v).
func truth(v Value) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case List:
		return len(v) > 0
	case *Dict:
		return len(v.keys) > 0
	}
	return true
}

// text is Python's str(v).
func (s *state) text(v Value) string {
	switch v := v.(type) {
	case string:
		return v
	case undefined:
		return ""
	}
	b := builder{state: s}
	s.repr(&b, v)
	return b.String()
}

// repr writes Python's repr(v).
func (s *state) repr(b *builder, v Value) {
	s.enter()
	defer s.leave()
	switch v := v.(type) {
	case nil:
		b.add("None")
	case undefined:
		b.add("Undefined")
	case bool:
		if v {
			b.add("True")
		} else {
			b.add("False")
		}
	case int64:
		b.add(strconv.FormatInt(v, 10))
	case float64:
		b.add(floatText(v))
	case string:
		b.repr(v)
	case List:
		b.add("[")
		for i, e := range v {
			if i > 0 {
				b.add(", ")
			}
			s.repr(b, e)
		}
		b.add("]")
	case *Dict:
		b.add("{")
		for i, key := range v.keys {
			if i > 0 {
				b.add(", ")
			}
			s.repr(b, key)
			b.add(": ")
			s.repr(b, v.values[key])
		}
		b.add("}")
	case *namespace:
		b.add("<Namespace ")
		s.repr(b, &v.attributes)
		b.add(">")
	default:
		s.fail("cannot print %s", describe(v))
	}
}

// number returns v as a float and, where it is one, as an integer.
func number(v Value) (i int64, f float64, isInt, ok bool) {
	switch v := v.(type) {
	case bool:
		if v {
			i = 1
		}
		return i, float64(i), true, true
	case int64:
		return v, float64(v), true, true
	case float64:
		return 0, v, false, true
	}
	return 0, 0, false, false
}

// equal is Python's a == b.
func (s *state) equal(a, b Value) bool {
	s.enter()
	defer s.leave()
	s.work(nodeWork)
	if i, f, isInt, ok := number(a); ok {
		j, g, isInt2, ok := number(b)
		if isInt && isInt2 {
			return ok && i == j
		}
		return ok && f == g
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case undefined:
		_, ok := b.(undefined)
		return ok
	case string:
		b, ok := b.(string)
		s.work(min(len(a), len(b)))
		return ok && a == b
	case List:
		b, ok := b.(List)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !s.equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case *Dict:
		b, ok := b.(*Dict)
		if !ok || len(a.keys) != len(b.keys) {
			return false
		}
		for _, key := range a.keys {
			v, ok := b.values[key]
			if !ok || !s.equal(a.values[key], v) {
				return false
			}
		}
		return true
	case *namespace:
		return b == Value(a)
	}
	return false
}

// compare orders two numbers, two strings or two lists.
func (s *state) compare(a, b Value) int {
	s.enter()
	defer s.leave()
	s.work(nodeWork)
	if i, f, isInt, ok := number(a); ok {
		if j, g, isInt2, ok := number(b); ok {
			if isInt && isInt2 {
				return cmp.Compare(i, j)
			}
			return cmp.Compare(f, g)
		}
	}
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			s.work(min(len(a), len(b)))
			return cmp.Compare(a, b)
		}
	case List:
		if b, ok := b.(List); ok {
			for i := range min(len(a), len(b)) {
				if !s.equal(a[i], b[i]) {
					return s.compare(a[i], b[i])
				}
			}
			return cmp.Compare(len(a), len(b))
		}
	}
	s.fail("cannot compare %s and %s", describe(a), describe(b))
	return 0
}

// contains is Python's v in container.
func (s *state) contains(container, v Value) bool {
	switch c := container.(type) {
	case string:
		part, ok := v.(string)
		if !ok {
			s.fail("cannot look for %s in a string", describe(v))
		}
		s.work(len(c))
		return strings.Contains(c, part)
	case *Dict:
		_, ok := c.get(v)
		return ok
	}
	for _, e := range s.list(container) {
		if s.equal(e, v) {
			return true
		}
	}
	return false
}

// list returns what a loop over v runs through.
func (s *state) list(v Value) List {
	switch v := v.(type) {
	case List:
		return v
	case *Dict:
		return v.keys
	case undefined:
		return nil
	case string:
		s.work(elementWork * len(v))
		list := make(List, 0, len(v))
		for _, r := range v {
			list = append(list, string(r))
		}
		return list
	}
	s.fail("cannot loop over %s", describe(v))
	return nil
}

// length is Python's len(v).
func (s *state) length(v Value) int {
	switch v := v.(type) {
	case string:
		s.work(len(v))
		return runeLen(v)
	case List:
		return len(v)
	case *Dict:
		return len(v.keys)
	case undefined:
		return 0
	}
	s.fail("%s has no length", describe(v))
	return 0
}
