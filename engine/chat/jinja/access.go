package jinja

import "math"

// attribute is v.name: a method, or else an item.
func (s *state) attribute(v Value, name string) Value {
	switch v := v.(type) {
	case undefined:
		s.fail("cannot read '%s' of %s", name, describe(v))
	case string:
		if m, ok := stringMethods[name]; ok {
			return function(func(s *state, a arguments) Value { return m(s, v, a) })
		}
	case List:
		if m, ok := listMethods[name]; ok {
			return function(func(s *state, a arguments) Value { return m(s, v, a) })
		}
	case *Dict:
		if m, ok := dictMethods[name]; ok {
			return function(func(s *state, a arguments) Value { return m(s, v, a) })
		}
		if item, ok := v.values[name]; ok {
			return item
		}
	case *namespace:
		if item, ok := v.attributes.values[name]; ok {
			return item
		}
	case *loop:
		return v.attribute(name)
	}
	return undefined{name}
}

// item is v[key]: an item, or else an attribute.
func (s *state) item(v, key Value) Value {
	if name, ok := key.(string); ok {
		if d, ok := v.(*Dict); ok {
			if item, ok := d.values[name]; ok {
				return item
			}
		}
		return s.attribute(v, name)
	}
	i, _, isInt, _ := number(key)
	switch v := v.(type) {
	case undefined:
		s.fail("cannot read an item of %s", describe(v))
	case *Dict:
		if item, ok := v.get(key); ok {
			return item
		}
	case List:
		if n := int64(len(v)); isInt && -n <= i && i < n {
			return v[(i+n)%n]
		}
	case string:
		runes := s.runes(v)
		if n := int64(len(runes)); isInt && -n <= i && i < n {
			return string(runes[(i+n)%n])
		}
	}
	return undefined{s.text(key)}
}

func (s *state) runes(text string) []rune {
	s.work(4 * len(text))
	return []rune(text)
}

// slice is v[start:stop:step]; any of the three may be nil.
func (s *state) slice(v, start, stop, step Value) Value {
	switch v := v.(type) {
	case List:
		return pick(s, v, start, stop, step)
	case string:
		return string(pick(s, s.runes(v), start, stop, step))
	}
	s.fail("cannot slice %s", describe(v))
	return nil
}

// pick returns the elements of a slice; bounds beyond the ends count as the
// ends, as in Python.
func pick[L ~[]E, E any](s *state, list L, start, stop, step Value) L {
	bound := func(v Value, absent int) int {
		if v == nil {
			return absent
		}
		i, _, isInt, _ := number(v)
		if !isInt {
			s.fail("%s cannot bound a slice", describe(v))
		}
		return int(max(math.MinInt32, min(i, math.MaxInt32)))
	}
	n, by := len(list), bound(step, 1)
	if by == 0 {
		s.fail("a slice cannot have step 0")
	}
	first, last := 0, n // where slices begin and end: [0, n] forwards, [-1, n-1] backwards
	if by < 0 {
		first, last = -1, n-1
	}
	clamp := func(i int) int {
		if i < 0 {
			i += n
		}
		return max(first, min(i, last))
	}
	from, to := first, last
	if by < 0 {
		from, to = last, first
	}
	if start != nil {
		from = clamp(bound(start, 0))
	}
	if stop != nil {
		to = clamp(bound(stop, 0))
	}
	var out L
	for i := from; by > 0 && i < to || by < 0 && i > to; i += by {
		s.work(elementWork)
		out = append(out, list[i])
	}
	return out
}
