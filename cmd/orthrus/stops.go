package main

import "strings"

// stopScanner looks for stop strings in a text that comes in pieces. It holds
// back only what might be the start of one.
type stopScanner struct {
	stops []string
	held  string
}

// add takes a piece and returns the text that is free to show. found tells that
// it ends where a stop string began.
func (s *stopScanner) add(piece string) (text string, found bool) {
	s.held += piece
	first := -1
	for _, stop := range s.stops {
		if i := strings.Index(s.held, stop); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		text, s.held = s.held[:first], ""
		return text, true
	}
	keep := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(s.held)); n > keep; n-- {
			if strings.HasSuffix(s.held, stop[:n]) {
				keep = n
			}
		}
	}
	free := len(s.held) - keep
	text, s.held = s.held[:free], s.held[free:]
	return text, false
}

// flush returns what was held back, at the end of the text.
func (s *stopScanner) flush() string {
	text := s.held
	s.held = ""
	return text
}
