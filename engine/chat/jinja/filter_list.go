package jinja

import (
	"slices"
	"strconv"
	"strings"
)

// The filters of lists and dictionaries.

func listFilter(s *state, v Value, a arguments) Value {
	s.take("list", a, 0)
	return s.list(v)
}

func itemsFilter(s *state, v Value, a arguments) Value {
	s.take("items", a, 0)
	if !isDefined(s, v, nil) {
		return List(nil)
	}
	d, ok := v.(*Dict)
	if !ok {
		s.fail("items needs a dictionary, not %s", describe(v))
	}
	return s.items(d)
}

func first(s *state, v Value, a arguments) Value {
	s.take("first", a, 0)
	if list := s.list(v); len(list) > 0 {
		return list[0]
	}
	return undefined{"first"}
}

func last(s *state, v Value, a arguments) Value {
	s.take("last", a, 0)
	if list := s.list(v); len(list) > 0 {
		return list[len(list)-1]
	}
	return undefined{"last"}
}

func reverse(s *state, v Value, a arguments) Value {
	s.take("reverse", a, 0)
	if _, ok := v.(string); !ok {
		v = s.list(v)
	}
	return s.slice(v, nil, nil, int64(-1))
}

func joinFilter(s *state, v Value, a arguments) Value {
	args := s.take("join", a, 0, "d", "attribute")
	return s.join(s.list(v), s.strOr(args[0], ""), func(e Value) string { return s.text(s.path(e, args[1])) })
}

// path follows attributes between dots, such as function.name, or an index. It
// is the value itself where there is no path.
func (s *state) path(v, path Value) Value {
	switch p := path.(type) {
	case nil, undefined:
		return v
	case int64:
		return s.item(v, p)
	}
	s.work(len(s.str(path)))
	for part := range strings.SplitSeq(s.str(path), ".") {
		if i, err := strconv.ParseInt(part, 10, 64); err == nil {
			v = s.item(v, i)
		} else {
			v = s.item(v, part)
		}
	}
	return v
}

// selector is one of the filters select, reject, selectattr and rejectattr,
// which keep the elements that pass a test or do not.
func selector(name string, byAttribute, keep bool) filter {
	return func(s *state, v Value, a arguments) Value {
		args := a.list
		var path Value
		if byAttribute {
			if len(args) == 0 {
				s.fail("%s needs an attribute", name)
			}
			path, args = args[0], args[1:]
		}
		if len(a.named.keys) > 0 {
			s.fail("%s takes no named arguments", name)
		}
		do := func(_ *state, v Value, _ List) bool { return truth(v) }
		if len(args) > 0 {
			t, ok := tests[s.str(args[0])]
			if !ok {
				s.fail("there is no test '%s'", args[0])
			}
			if t.argument != (len(args) == 2) {
				s.fail("the test '%s' has %d arguments", args[0], len(args)-1)
			}
			do, args = t.do, args[1:]
		}
		var kept List
		if !truth(v) {
			return kept // none as well
		}
		for _, e := range s.list(v) {
			s.work(elementWork)
			if do(s, s.path(e, path), args) == keep {
				kept = append(kept, e)
			}
		}
		return kept
	}
}

// mapFilter takes an attribute of every element, or applies a filter to it.
func mapFilter(s *state, v Value, a arguments) Value {
	do := func(v Value) Value {
		args := s.take("map", a, 0, "filter", "attribute", "default")
		v = s.path(v, args[1])
		if !isDefined(s, v, nil) && isDefined(s, args[2], nil) {
			return args[2]
		}
		return v
	}
	if len(a.list) > 0 {
		f, ok := filters[s.str(a.list[0])]
		if !ok {
			s.fail("there is no filter '%s'", a.list[0])
		}
		do = func(v Value) Value { return f(s, v, arguments{a.list[1:], a.named}) }
	}
	var mapped List
	if !truth(v) {
		return mapped
	}
	for _, e := range s.list(v) {
		s.work(elementWork)
		mapped = append(mapped, do(e))
	}
	return mapped
}

// fold returns what values are sorted by: texts without their case, unless it
// matters.
func (s *state) fold(v, caseMatters Value) Value {
	if text, ok := v.(string); ok && !truth(caseMatters) {
		s.work(3 * len(text))
		return strings.ToLower(text)
	}
	return v
}

// sorted sorts values by their keys and keeps the order of equal ones.
func (s *state) sorted(list List, reverse Value, key func(Value) Value) List {
	type keyed struct{ key, value Value }
	s.work(3 * elementWork * len(list))
	pairs := make([]keyed, len(list))
	for i, v := range list {
		pairs[i] = keyed{key(v), v}
	}
	sign := 1
	if truth(reverse) {
		sign = -1
	}
	slices.SortStableFunc(pairs, func(a, b keyed) int { return sign * s.compare(a.key, b.key) })
	out := make(List, len(list))
	for i, p := range pairs {
		out[i] = p.value
	}
	return out
}

func sortFilter(s *state, v Value, a arguments) Value {
	args := s.take("sort", a, 0, "reverse", "case_sensitive", "attribute")
	return s.sorted(s.list(v), args[0], func(e Value) Value { return s.fold(s.path(e, args[2]), args[1]) })
}

func dictSort(s *state, v Value, a arguments) Value {
	args := s.take("dictsort", a, 0, "case_sensitive", "by", "reverse")
	d, ok := v.(*Dict)
	if !ok {
		s.fail("dictsort needs a dictionary, not %s", describe(v))
	}
	by := slices.Index([]string{"key", "value"}, s.strOr(args[1], "key"))
	if by < 0 {
		s.fail("dictsort sorts by 'key' or by 'value'")
	}
	return s.sorted(s.items(d), args[2], func(pair Value) Value { return s.fold(pair.(List)[by], args[0]) })
}

func unique(s *state, v Value, a arguments) Value {
	args := s.take("unique", a, 0, "case_sensitive", "attribute")
	var seen, kept List
	for _, e := range s.list(v) {
		key := s.fold(s.path(e, args[1]), args[0])
		if !s.contains(seen, key) {
			s.work(2 * elementWork)
			seen, kept = append(seen, key), append(kept, e)
		}
	}
	return kept
}
