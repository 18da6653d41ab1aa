package delay

import (
	"container/heap"
	"time"
)

// sleeper is one hold.
type sleeper struct {
	until time.Time
	order uint64 // of two with the same time the one that came first wakes first
	place int    // in the heap, for removal
	wake  chan struct{}
}

// queue holds sleepers, the next one to wake in front. It knows nothing about the time.
type queue struct {
	heap sleepers
	next uint64
}

// add takes a sleeper and tells whether it is the next one to wake now.
func (q *queue) add(s *sleeper) (first bool) {
	s.order = q.next
	q.next++
	heap.Push(&q.heap, s)
	return s.place == 0
}

// remove takes a sleeper out that has not been woken; for one that has it does nothing.
func (q *queue) remove(s *sleeper) {
	if s.place >= 0 {
		heap.Remove(&q.heap, s.place)
	}
}

// due takes the next sleeper out if its time has come, and gives nil if not.
func (q *queue) due(now time.Time) *sleeper {
	if len(q.heap) == 0 || q.heap[0].until.After(now) {
		return nil
	}
	return heap.Pop(&q.heap).(*sleeper)
}

// first gives the time of the next sleeper; false when there is none.
func (q *queue) first() (time.Time, bool) {
	if len(q.heap) == 0 {
		return time.Time{}, false
	}
	return q.heap[0].until, true
}

type sleepers []*sleeper

func (h sleepers) Len() int { return len(h) }

func (h sleepers) Less(i, j int) bool {
	if order := h[i].until.Compare(h[j].until); order != 0 {
		return order < 0
	}
	return h[i].order < h[j].order
}

func (h sleepers) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *sleepers) Push(x any) {
	s := x.(*sleeper)
	s.place = len(*h)
	*h = append(*h, s)
}

func (h *sleepers) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	s.place = -1
	return s
}
