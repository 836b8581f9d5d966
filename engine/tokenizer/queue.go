package tokenizer

import "slices"

// queue holds pairs of neighbours, those of the lowest rank first, from left to right. Pairs of one rank mostly come from
// left to right too: then each is linked to the one before, and the heap has only the first of the chain. Hence the heap
// grows with the variety of a text and not with its length.
type queue struct {
	entries []entry
	free    int32   // the first free entry
	heap    []int32 // entries, the first of each chain
	work    int     // steps, as the encoder counts them
}

type entry struct {
	rank, place int32 // none if the entry is free
	next        int32 // entry of the same rank further right, or the next free one; none at the end
}

// reset empties the queue for a piece of n bytes.
func (q *queue) reset(n int) {
	q.entries, q.free, q.heap = slices.Grow(q.entries[:0], n), none, q.heap[:0]
}

// push adds a pair and returns its entry. Last is the entry that the rank got before, if that is known: any number will
// do, the entries tell.
func (q *queue) push(rank, place, last int32) int32 {
	i := q.free
	if i == none {
		i = int32(len(q.entries))
		q.entries = append(q.entries, entry{})
	} else {
		q.free = q.entries[i].next
	}
	q.entries[i] = entry{rank, place, none}
	q.work++
	if 0 <= last && int(last) < len(q.entries) {
		if e := &q.entries[last]; e.rank == rank && e.place < place && e.next == none {
			e.next = i
			return i
		}
	}
	q.heap = append(q.heap, i)
	for i := len(q.heap) - 1; i > 0 && q.less(i, (i-1)/2); i = (i - 1) / 2 {
		q.swap(i, (i-1)/2)
	}
	return i
}

// pop removes the first pair.
func (q *queue) pop() (rank, place int32) {
	first := q.heap[0]
	e := &q.entries[first]
	rank, place = e.rank, e.place
	n := len(q.heap)
	if q.heap[0] = e.next; e.next == none {
		n--
		q.heap[0] = q.heap[n]
		q.heap = q.heap[:n]
	}
	*e = entry{none, none, q.free}
	q.free = first
	q.work++
	i := 0
	for child := 1; child < n; child = 2*i + 1 {
		if child+1 < n && q.less(child+1, child) {
			child++
		}
		if !q.less(child, i) {
			break
		}
		q.swap(child, i)
		i = child
	}
	return rank, place
}

// less compares two places of the heap.
func (q *queue) less(i, j int) bool {
	a, b := &q.entries[q.heap[i]], &q.entries[q.heap[j]]
	return a.rank < b.rank || a.rank == b.rank && a.place < b.place
}

func (q *queue) swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	q.work++
}
