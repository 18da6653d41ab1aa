package relay

import (
	"net"
	"sync"
	"sync/atomic"
)

// maxPipelined bounds the requests of one connection that wait for their answers.
const maxPipelined = 256

// pending is a request that the client has sent and that is not answered yet, in order.
type pending struct {
	headless bool      // a HEAD request: its answer has no body whatever its head says
	upgrade  chan bool // told whether the service switched protocols; nil when nobody asked
	answer   []byte    // ours, when the service does not see the request
	last     bool      // the connection ends after our answer
}

// queue keeps answers in the order of their requests (RFC 9112 section 9.3.2). Whoever holds the
// front writes to the client; nobody else does.
type queue struct {
	client  *net.TCPConn
	written *atomic.Uint64

	mu      sync.Mutex
	changed sync.Cond
	waiting []pending
	closed  bool
}

func newQueue(client *net.TCPConn, written *atomic.Uint64) *queue {
	q := &queue{client: client, written: written}
	q.changed.L = &q.mu
	return q
}

// push adds a request. An answer of our own whose turn it is goes out at once.
func (q *queue) push(p pending) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) >= maxPipelined && !q.closed {
		q.changed.Wait()
	}
	if q.closed {
		return net.ErrClosed
	}
	q.waiting = append(q.waiting, p)
	if len(q.waiting) > 1 {
		return nil
	}
	return q.flush()
}

// front gives the request that the service's next answer belongs to.
func (q *queue) front() (pending, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return pending{}, false
	}
	return q.waiting[0], true
}

// pop ends the request in front and writes the answers of ours that follow. It gives how many
// requests are still waiting.
func (q *queue) pop() (left int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = q.waiting[1:]
	err = q.flush()
	return len(q.waiting), err
}

// flush writes our answers while they are in front; the lock is held.
func (q *queue) flush() error {
	defer q.changed.Broadcast()
	for len(q.waiting) > 0 && q.waiting[0].answer != nil {
		n, err := q.client.Write(q.waiting[0].answer)
		q.written.Add(uint64(n))
		if err != nil {
			return err
		}
		q.waiting = q.waiting[1:]
	}
	return nil
}

// settle waits until every request is answered, or close was called.
func (q *queue) settle() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) > 0 && !q.closed {
		q.changed.Wait()
	}
}

// close tells those who wait that no answer will come any more.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, p := range q.waiting {
		if p.upgrade != nil {
			select {
			case p.upgrade <- false:
			default:
			}
		}
	}
	q.changed.Broadcast()
}
