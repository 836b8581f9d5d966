package jinja

import "strings"

// A test is what follows is. Its value may be undefined.
type test func(s *state, v Value, args List) bool

// tests are all tests, and whether they take an argument.
var tests = map[string]struct {
	do       test
	argument bool
}{
	"defined":     {isDefined, false},
	"undefined":   {func(s *state, v Value, a List) bool { return !isDefined(s, v, a) }, false},
	"none":        {func(_ *state, v Value, _ List) bool { return v == nil }, false},
	"boolean":     {is[bool], false},
	"true":        {func(_ *state, v Value, _ List) bool { b, ok := v.(bool); return ok && b }, false},
	"false":       {func(_ *state, v Value, _ List) bool { b, ok := v.(bool); return ok && !b }, false},
	"integer":     {is[int64], false},
	"float":       {is[float64], false},
	"number":      {func(_ *state, v Value, _ List) bool { _, _, _, ok := number(v); return ok }, false},
	"string":      {is[string], false},
	"mapping":     {is[*Dict], false},
	"sequence":    {isIterable, false},
	"iterable":    {isIterable, false},
	"callable":    {is[function], false},
	"lower":       {func(s *state, v Value, _ List) bool { return isCase(s.text(v), strings.ToLower) }, false},
	"upper":       {func(s *state, v Value, _ List) bool { return isCase(s.text(v), strings.ToUpper) }, false},
	"odd":         {func(s *state, v Value, _ List) bool { return s.leaves(v, int64(2), 1) }, false},
	"even":        {func(s *state, v Value, _ List) bool { return s.leaves(v, int64(2), 0) }, false},
	"divisibleby": {func(s *state, v Value, a List) bool { return s.leaves(v, a[0], 0) }, true},
	"in":          {func(s *state, v Value, a List) bool { return s.contains(a[0], v) }, true},
	"sameas":      {sameAs, true},
	"eq":          {holds("=="), true},
	"equalto":     {holds("=="), true},
	"==":          {holds("=="), true},
	"ne":          {holds("!="), true},
	"!=":          {holds("!="), true},
	"lt":          {holds("<"), true},
	"lessthan":    {holds("<"), true},
	"<":           {holds("<"), true},
	"le":          {holds("<="), true},
	"<=":          {holds("<="), true},
	"gt":          {holds(">"), true},
	"greaterthan": {holds(">"), true},
	">":           {holds(">"), true},
	"ge":          {holds(">="), true},
	">=":          {holds(">="), true},
}

func isDefined(_ *state, v Value, _ List) bool {
	_, ok := v.(undefined)
	return !ok
}

func is[T any](_ *state, v Value, _ List) bool {
	_, ok := v.(T)
	return ok
}

func isIterable(_ *state, v Value, _ List) bool {
	switch v.(type) {
	case string, List, *Dict, undefined:
		return true
	}
	return false
}

// isCase is Python's islower or isupper: some letter has a case, and all that
// have one have this one.
func isCase(text string, to func(string) string) bool {
	return text == to(text) && strings.ToLower(text) != strings.ToUpper(text)
}

// leaves reports whether v divided by another value leaves a rest.
func (s *state) leaves(v, by Value, rest int64) bool {
	return s.equal(s.binary("%", v, by), rest)
}

func holds(op string) test {
	return func(s *state, v Value, a List) bool { return s.holds(v, op, a[0]) }
}

// sameAs is Python's is for values that are one by nature; equal lists or
// dictionaries never are.
func sameAs(s *state, v Value, a List) bool {
	switch v.(type) {
	case List, *Dict, function:
		return false
	}
	return typeName(v) == typeName(a[0]) && s.equal(v, a[0])
}
