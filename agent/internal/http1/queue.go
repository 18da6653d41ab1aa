package http1

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// maxPipelined bounds the requests of one connection that wait for their answers; a client that
// sends more of them is read no further until some are answered.
const maxPipelined = 256

var (
	// errRefused: the connection ends, so that no more requests are taken.
	errRefused = errors.New("the connection takes no more requests")
	// errUnordered: the service's answers are not read any more, so that none has a place.
	errUnordered = errors.New("the answers of this connection are not read any more")
)

// exchange is a request that waits for its answer.
type exchange struct {
	headless bool      // asked by HEAD: the answer has no body whatever its head says
	switched chan bool // gets whether the service switched protocols; nil unless the client asked
	answer   []byte    // ours, if the service does not see the request
	edits    []*Edit   // of the service's answer
}

// queue keeps the answers of one connection in the order of their requests (RFC 9112 section
// 9.3.2). Only the answer to the exchange in front may be written: by the goroutine that relays
// answers or, if it is one of ours, here.
type queue struct {
	client *net.TCPConn
	out    *atomic.Uint64

	mu        sync.Mutex
	changed   sync.Cond
	waiting   []exchange
	storage   [4]exchange // what waiting lives in unless a client pipelines more
	receiving bool        // a request is being read or passed on
	refusing  bool
	unordered bool
	why       Kind // it is unordered
	ended     bool // no answer comes any more
}

func newQueue(client *net.TCPConn, out *atomic.Uint64) *queue {
	q := &queue{client: client, out: out}
	q.changed.L = &q.mu
	q.waiting = q.storage[:0]
	return q
}

// begin says that a request starts to come in. blind tells that it must not be read.
func (q *queue) begin() (blind bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.refusing || q.ended && !q.unordered {
		return false, errRefused
	}
	q.receiving = true
	return q.unordered, nil
}

// done says that no byte of a further request has come yet.
func (q *queue) done() {
	q.mu.Lock()
	q.receiving = false
	q.mu.Unlock()
}

// push appends a request, before any byte of it goes to the service. Our own answer is written at
// once if it is its turn.
func (q *queue) push(e exchange) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) >= maxPipelined && !q.ended && !q.unordered {
		q.changed.Wait()
	}
	switch {
	case q.unordered:
		return errUnordered
	case q.refusing || q.ended:
		return errRefused
	}
	q.waiting = append(q.waiting, e)
	if len(q.waiting) == 1 {
		return q.flush()
	}
	return nil
}

// front gives the exchange that the next answer of the service belongs to.
func (q *queue) front() (e exchange, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return exchange{}, false
	}
	return q.waiting[0], true
}

// pop ends the exchange in front and writes those of our answers whose turn has come.
func (q *queue) pop() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.drop()
	return q.flush()
}

// flush writes our answers while they are in front. The lock is held, for order.
func (q *queue) flush() error {
	for len(q.waiting) > 0 && q.waiting[0].answer != nil {
		n, err := q.client.Write(q.waiting[0].answer)
		q.out.Add(uint64(n))
		if err != nil {
			return err // no writeError: it is the client that is gone, also for who relays requests
		}
		q.drop()
	}
	return nil
}

func (q *queue) drop() {
	q.waiting[0] = exchange{} // lets go of its answer
	q.waiting = q.waiting[1:]
	if len(q.waiting) == 0 {
		q.waiting = q.storage[:0]
	}
	q.changed.Broadcast()
}

// refuseBehindFront lets the answer in front be the last one, unless requests wait behind it.
func (q *queue) refuseBehindFront() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 1 {
		q.refusing = true
	}
	return q.refusing
}

// refuse takes no more requests.
func (q *queue) refuse() {
	q.mu.Lock()
	q.refusing = true
	q.mu.Unlock()
}

// refuseIfIdle takes no more requests if none is coming in or waiting. It does not wait for the lock,
// which a slow client may hold up: whoever has it is not idle.
func (q *queue) refuseIfIdle() bool {
	if !q.mu.TryLock() {
		return false
	}
	defer q.mu.Unlock()
	if q.receiving || len(q.waiting) > 0 || q.refusing || q.unordered || q.ended {
		return false
	}
	q.refusing = true
	return true
}

// giveUpOrder says that answers are not read from here on. It fails if one of ours waits: nobody
// will ever know when its turn has come.
func (q *queue) giveUpOrder(why Kind) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unordered, q.why = true, why
	q.release(true)
	for _, e := range q.waiting {
		if e.answer != nil {
			return false
		}
	}
	return true
}

// reason gives why the answers are not read any more.
func (q *queue) reason() Kind {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.why
}

// end says that no answer comes any more.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.release(false)
}

// release wakes all that wait for an answer; the lock is held.
func (q *queue) release(switched bool) {
	for _, e := range q.waiting {
		if e.switched == nil {
			continue
		}
		select {
		case e.switched <- switched:
		default: // was told before
		}
	}
	q.changed.Broadcast()
}

// settle returns when every request is answered, or never will be.
func (q *queue) settle() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 && !q.ended {
		q.changed.Wait()
	}
}
