package tokenizer

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
	e.symbols = e.symbols[:0]
	for i := range n {
		e.symbols = append(e.symbols, symbol{e.t.bytes[piece[i]], none, int32(i) - 1, int32(i) + 1})
	}
	e.symbols[n-1].next = none
	e.queue.entries = e.queue.entries[:0]
	for i := range n - 1 {
		e.rank(int32(i))
	}
	for len(e.queue.entries) > 0 {
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

// rank notes the rank of symbol i with its next one, and queues it.
func (e *encoder) rank(i int32) {
	s := &e.symbols[i]
	s.rank = none
	if s.next == none {
		return
	}
	if rank, ok := e.t.ranks[pair{s.id, e.symbols[s.next].id}]; ok {
		s.rank = rank
		e.queue.push(rank, i)
	}
}

// heap is a binary heap of (rank, place), the smallest first.
type heap struct {
	entries []uint64 // rank<<32 | place
	work    int
}

func (h *heap) push(rank, place int32) {
	entry := uint64(rank)<<32 | uint64(place)
	h.entries = append(h.entries, entry)
	i := len(h.entries) - 1
	for ; i > 0 && entry < h.entries[(i-1)/2]; i = (i - 1) / 2 {
		h.entries[i] = h.entries[(i-1)/2]
		h.work++
	}
	h.entries[i] = entry
}

func (h *heap) pop() (rank, place int32) {
	top := h.entries[0]
	n := len(h.entries) - 1
	entry := h.entries[n]
	h.entries = h.entries[:n]
	i := 0
	for child := 1; child < n; child = 2*i + 1 {
		if child+1 < n && h.entries[child+1] < h.entries[child] {
			child++
		}
		if entry <= h.entries[child] {
			break
		}
		h.entries[i] = h.entries[child]
		i = child
		h.work++
	}
	if n > 0 {
		h.entries[i] = entry
	}
	return int32(top >> 32), int32(top & 0xFFFFFFFF)
}
