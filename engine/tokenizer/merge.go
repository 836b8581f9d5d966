package tokenizer

import "slices"

// symbol is a token of the piece that is being merged, a node of a doubly linked list in the order of the text.
type symbol struct {
	id         int32
	rank       int32 // of the merge with the next symbol; none if there is no such merge, or if the symbol is gone
	prev, next int32 // none at the ends
}

const none = -1

// merge appends the tokens of a piece: of all pairs of neighbours the one with the lowest rank, the leftmost of equals,
// is merged, until none is left.
func (e *encoder) merge(piece string) {
	n := len(piece)
	if n == 1 {
		e.ids = append(e.ids, e.t.bytes[piece[0]])
		return
	}
	e.symbols = slices.Grow(e.symbols[:0], n)
	for i := range n {
		e.symbols = append(e.symbols, symbol{e.t.bytes[piece[i]], none, int32(i) - 1, int32(i) + 1})
	}
	e.symbols[n-1].next = none
	e.queue.reset(n)
	for i := range n {
		e.rank(int32(i))
	}
	for len(e.queue.heap) > 0 {
		rank, i := e.queue.pop()
		s := &e.symbols[i]
		if s.rank != rank {
			continue // one of the pair was merged in the meantime
		}
		gone := &e.symbols[s.next]
		s.id, s.next = e.t.merged[rank], gone.next
		gone.rank = none
		if s.next != none {
			e.symbols[s.next].prev = i
		}
		e.rank(i)
		if s.prev != none {
			e.rank(s.prev)
		}
	}
	for i := int32(0); i != none; i = e.symbols[i].next {
		e.ids = append(e.ids, e.symbols[i].id)
	}
}

// seen is what rank remembers of a pair: text repeats its pairs, and the map of all merges is slower.
type seen struct {
	pair
	rank int32 // none if the pair is not merged
	last int32 // where the queue has put it last
}

// rank notes the rank of symbol i with its next one, and queues it.
func (e *encoder) rank(i int32) {
	s := &e.symbols[i]
	s.rank = none
	if s.next == none {
		return
	}
	p := pair{s.id, e.symbols[s.next].id}
	m := &e.seen[(uint32(p.left)*0x9E3779B1^uint32(p.right)*0x85EBCA77)>>20]
	if m.pair != p {
		rank, ok := e.t.ranks[p]
		if !ok {
			rank = none
		}
		*m = seen{p, rank, none}
	}
	if s.rank = m.rank; s.rank != none {
		m.last = e.queue.push(s.rank, i, m.last)
	}
}
