package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The methods of Python's strings, lists and dictionaries that templates call.
// They count at least the length of their string as work.
var (
	stringMethods = map[string]func(s *state, text string, a arguments) Value{
		"strip":        stripper(strings.TrimFunc),
		"lstrip":       stripper(strings.TrimLeftFunc),
		"rstrip":       stripper(strings.TrimRightFunc),
		"split":        split,
		"rsplit":       rsplit,
		"splitlines":   splitLines,
		"startswith":   affix("startswith", strings.HasPrefix),
		"endswith":     affix("endswith", strings.HasSuffix),
		"removeprefix": remover("removeprefix", strings.TrimPrefix),
		"removesuffix": remover("removesuffix", strings.TrimSuffix),
		"find":         finder("find", strings.Index),
		"rfind":        finder("rfind", strings.LastIndex),
		"count":        countMethod,
		"replace":      replace,
		"join":         joinMethod,
		"upper":        mapper("upper", strings.ToUpper),
		"lower":        mapper("lower", strings.ToLower),
		"title":        mapper("title", title),
		"capitalize":   mapper("capitalize", capitalize),
		"isdigit":      ofRunes("isdigit", unicode.IsDigit),
		"isalpha":      ofRunes("isalpha", unicode.IsLetter),
		"isalnum":      ofRunes("isalnum", func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }),
		"isspace":      ofRunes("isspace", isSpace),
		"islower":      predicate("islower", func(text string) bool { return isCase(text, strings.ToLower) }),
		"isupper":      predicate("isupper", func(text string) bool { return isCase(text, strings.ToUpper) }),
	}
	listMethods = map[string]func(s *state, list List, a arguments) Value{
		"count": func(s *state, list List, a arguments) Value {
			v := s.take("count", a, 1, "value")[0]
			n := int64(0)
			for _, e := range list {
				if s.equal(e, v) {
					n++
				}
			}
			return n
		},
		"index": func(s *state, list List, a arguments) Value {
			v := s.take("index", a, 1, "value")[0]
			for i, e := range list {
				if s.equal(e, v) {
					return int64(i)
				}
			}
			s.fail("index: the value is not in the list")
			return nil
		},
	}
	dictMethods = map[string]func(s *state, d *Dict, a arguments) Value{
		"keys":   func(s *state, d *Dict, a arguments) Value { s.take("keys", a, 0); return d.keys },
		"values": func(s *state, d *Dict, a arguments) Value { s.take("values", a, 0); return s.values(d) },
		"items":  func(s *state, d *Dict, a arguments) Value { s.take("items", a, 0); return s.items(d) },
		"copy":   func(s *state, d *Dict, a arguments) Value { s.take("copy", a, 0); return d },
		"get": func(s *state, d *Dict, a arguments) Value {
			v := s.take("get", a, 1, "key", "default")
			if item, ok := d.get(v[0]); ok {
				return item
			}
			if _, absent := v[1].(undefined); absent {
				return nil
			}
			return v[1]
		},
	}
)

func (s *state) values(d *Dict) List {
	s.work(elementWork * len(d.keys))
	list := make(List, len(d.keys))
	for i, key := range d.keys {
		list[i] = d.values[key]
	}
	return list
}

func (s *state) items(d *Dict) List {
	s.work(pairWork * len(d.keys))
	list := make(List, len(d.keys))
	for i, key := range d.keys {
		list[i] = List{key, d.values[key]}
	}
	return list
}

type stringMethod = func(s *state, text string, a arguments) Value

func stripper(trim func(string, func(rune) bool) string) stringMethod {
	return func(s *state, text string, a arguments) Value {
		drop := isSpace
		if set := s.take("strip", a, 0, "chars")[0]; set != nil && isDefined(s, set, nil) {
			chars := s.str(set)
			drop = func(r rune) bool {
				s.work(len(chars))
				return strings.ContainsRune(chars, r)
			}
		}
		s.work(len(text))
		return trim(text, drop)
	}
}

func mapper(name string, f func(string) string) stringMethod {
	return func(s *state, text string, a arguments) Value {
		s.take(name, a, 0)
		s.work(3 * len(text)) // letters may grow
		return f(text)
	}
}

func predicate(name string, holds func(string) bool) stringMethod {
	return func(s *state, text string, a arguments) Value {
		s.take(name, a, 0)
		s.work(3 * len(text))
		return holds(text)
	}
}

// ofRunes is a predicate that holds for all characters of a string that is not
// empty.
func ofRunes(name string, holds func(rune) bool) stringMethod {
	return predicate(name, func(text string) bool {
		return text != "" && strings.IndexFunc(text, func(r rune) bool { return !holds(r) }) < 0
	})
}

func affix(name string, has func(text, part string) bool) stringMethod {
	return func(s *state, text string, a arguments) Value {
		part := s.take(name, a, 1, "part")[0]
		s.work(len(text))
		if parts, ok := part.(List); ok {
			for _, p := range parts {
				s.work(len(text))
				if has(text, s.str(p)) {
					return true
				}
			}
			return false
		}
		return has(text, s.str(part))
	}
}

func remover(name string, trim func(text, part string) string) stringMethod {
	return func(s *state, text string, a arguments) Value {
		part := s.str(s.take(name, a, 1, "part")[0])
		s.work(len(text))
		return trim(text, part)
	}
}

func finder(name string, index func(text, part string) int) stringMethod {
	return func(s *state, text string, a arguments) Value {
		part := s.str(s.take(name, a, 1, "part")[0])
		s.work(2 * len(text))
		i := index(text, part)
		if i > 0 {
			i = utf8.RuneCountInString(text[:i])
		}
		return int64(i)
	}
}

func countMethod(s *state, text string, a arguments) Value {
	part := s.str(s.take("count", a, 1, "part")[0])
	s.work(len(text))
	return int64(strings.Count(text, part))
}

// replace is both the method and the filter.
func replace(s *state, text string, a arguments) Value {
	v := s.take("replace", a, 2, "old", "new", "count")
	old, with := s.str(v[0]), s.str(v[1])
	s.work(len(text))
	n := strings.Count(text, old)
	if limit := s.intOr(v[2], -1); limit >= 0 && limit < int64(n) {
		n = int(limit)
	}
	s.times(int64(n), len(with))
	return strings.Replace(text, old, with, n)
}

func joinMethod(s *state, text string, a arguments) Value {
	return s.join(s.list(s.take("join", a, 1, "list")[0]), text, s.str)
}

// join puts a separator between the texts of values.
func (s *state) join(list List, separator string, text func(Value) string) string {
	b := builder{state: s}
	for i, v := range list {
		if i > 0 {
			b.add(separator)
		}
		s.work(nodeWork)
		b.add(text(v))
	}
	return b.String()
}

func split(s *state, text string, a arguments) Value {
	v := s.take("split", a, 0, "sep", "maxsplit")
	limit := s.intOr(v[1], -1)
	var list List
	if separator := s.separator(v[0]); separator != "" {
		for limit != 0 {
			before, after, found := strings.Cut(text, separator)
			if !found {
				break
			}
			list = s.appendPart(list, before)
			text = after
			limit--
		}
		return s.appendPart(list, text)
	}
	text = strings.TrimLeftFunc(text, isSpace)
	for text != "" && limit != 0 {
		end := strings.IndexFunc(text, isSpace)
		if end < 0 {
			break
		}
		list = s.appendPart(list, text[:end])
		text = strings.TrimLeftFunc(text[end:], isSpace)
		limit--
	}
	if text != "" {
		if limit != 0 {
			text = strings.TrimRightFunc(text, isSpace)
		}
		list = s.appendPart(list, text)
	}
	return list
}

func rsplit(s *state, text string, a arguments) Value {
	v := s.take("rsplit", a, 1, "sep", "maxsplit")
	limit := s.intOr(v[1], -1)
	separator := s.separator(v[0])
	var list List // from the end
	for limit != 0 {
		i := strings.LastIndex(text, separator)
		if i < 0 {
			break
		}
		list = s.appendPart(list, text[i+len(separator):])
		text = text[:i]
		limit--
	}
	list = s.appendPart(list, text)
	return pick(s, list, nil, nil, int64(-1))
}

// separator returns what to split at; it is empty for white space.
func (s *state) separator(v Value) string {
	text := s.strOr(v, "")
	if _, given := v.(string); given && text == "" {
		s.fail("cannot split at an empty string")
	}
	return text
}

func (s *state) appendPart(list List, part string) List {
	s.work(elementWork + len(part))
	return append(list, part)
}

func splitLines(s *state, text string, a arguments) Value {
	keep := truth(s.take("splitlines", a, 0, "keepends")[0])
	return s.lines(text, keep)
}

// lines splits a text after its newlines; after the last one comes no line.
func (s *state) lines(text string, keepEnds bool) List {
	list := List{}
	for text != "" {
		n := strings.IndexAny(text, "\n\r")
		if n < 0 {
			return s.appendPart(list, text)
		}
		end := n + 1
		if strings.HasPrefix(text[n:], "\r\n") {
			end++
		}
		if keepEnds {
			n = end
		}
		list = s.appendPart(list, text[:n])
		text = text[end:]
	}
	return list
}

func capitalize(text string) string {
	_, n := utf8.DecodeRuneInString(text)
	return strings.ToUpper(text[:n]) + strings.ToLower(text[n:])
}

// title makes the first letter of every run of letters a capital.
func title(text string) string {
	inside := false
	return strings.Map(func(r rune) rune {
		first := !inside
		inside = unicode.IsLetter(r)
		if first {
			return unicode.ToTitle(r)
		}
		return unicode.ToLower(r)
	}, text)
}
