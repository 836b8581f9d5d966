package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestStopScanner(t *testing.T) {
	for _, c := range []struct {
		stops  []string
		pieces []string
		shown  []string // after each piece
		rest   string   // at the end
		found  bool
	}{
		{nil, []string{"one", " two"}, []string{"one", " two"}, "", false},
		{[]string{"END"}, []string{"a E", "N", "D b"}, []string{"a ", "", ""}, "", true},
		{[]string{"END"}, []string{"a E", "N", "T"}, []string{"a ", "", "ENT"}, "", false},
		{[]string{"END"}, []string{"a EN"}, []string{"a "}, "EN", false},
		{[]string{"END"}, []string{"ENEND"}, []string{"EN"}, "", true},
		{[]string{"aab"}, []string{"a", "a", "a", "b"}, []string{"", "", "a", ""}, "", true},
		{[]string{"\n\n", "\n}"}, []string{"x\n", "}"}, []string{"x", ""}, "", true},
		{[]string{"long stop", "on"}, []string{"so lon", "g"}, []string{"so l", ""}, "", true},
		{[]string{"ж"}, []string{"жук"}, []string{""}, "", true},
	} {
		s := stopScanner{stops: c.stops}
		found := false
		for i, piece := range c.pieces {
			var shown string
			shown, found = s.add(piece)
			if i < len(c.shown) && shown != c.shown[i] {
				t.Errorf("%q in %q: piece %d shows %q, want %q", c.stops, c.pieces, i, shown, c.shown[i])
			}
			if found {
				break
			}
		}
		if rest := s.flush(); rest != c.rest || found != c.found {
			t.Errorf("%q in %q: rest %q, found %t; want %q, %t", c.stops, c.pieces, rest, found, c.rest, c.found)
		}
	}
}

// FuzzStopScanner compares with a search of the whole text.
func FuzzStopScanner(f *testing.F) {
	f.Add("one two three", "tw", "ee", 3)
	f.Add("aaab", "aab", "b", 1)
	f.Add("жжук", "жу", "к", 2)
	f.Fuzz(func(t *testing.T, text, stop1, stop2 string, size int) {
		stops := []string{stop1, stop2}
		if checkStops(stops) != nil || !utf8.ValidString(text) || size < 1 {
			return
		}
		want, whole := text, false
		for _, stop := range stops {
			if i := strings.Index(text, stop); i >= 0 && i < len(want) {
				want, whole = text[:i], true
			}
		}
		s := stopScanner{stops: stops}
		var got strings.Builder
		found := false
		for rest := []rune(text); len(rest) > 0 && !found; {
			n := min(size, len(rest))
			var shown string
			shown, found = s.add(string(rest[:n]))
			if !utf8.ValidString(shown) {
				t.Fatalf("shows a part of a character: %q", shown)
			}
			got.WriteString(shown)
			rest = rest[n:]
		}
		got.WriteString(s.flush())
		if size >= len(text) && (got.String() != want || found != whole) {
			t.Fatalf("%q in %q in one piece: %q, %t; want %q, %t", stops, text, got.String(), found, want, whole)
		}
		if found != whole || !strings.HasPrefix(got.String(), want) {
			t.Fatalf("%q in %q: %q, %t; want %q, %t", stops, text, got.String(), found, want, whole)
		}
	})
}
