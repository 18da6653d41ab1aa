package delay

import (
	"container/heap"
	"time"
)

// sleeper is one hold.
type sleeper struct {
	until time.Time
	order uint64 // sleepers with the same time wake in the order in which they came
	place int    // index in the heap; -1 when it was taken out
	wake  chan struct{}
}

// queue orders sleepers by time. It does not know what time it is.
type queue struct {
	heap sleepers
	next uint64
}

// add queues a sleeper and reports whether it is the next one to wake.
func (q *queue) add(s *sleeper) (first bool) {
	s.order = q.next
	q.next++
	heap.Push(&q.heap, s)
	return s.place == 0
}

// remove removes a sleeper. It does nothing when the sleeper was woken or removed before.
func (q *queue) remove(s *sleeper) {
	if s.place >= 0 {
		heap.Remove(&q.heap, s.place)
	}
}

// due removes and returns the next sleeper if its time has come, and nil otherwise.
func (q *queue) due(now time.Time) *sleeper {
	if len(q.heap) == 0 || q.heap[0].until.After(now) {
		return nil
	}
	return heap.Pop(&q.heap).(*sleeper)
}

// first returns the time of the next sleeper, and false when there is none.
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
