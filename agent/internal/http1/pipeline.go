package http1

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"chaosgo/agent/internal/relay"
)

// maxPipelined bounds the requests of one connection that wait for their answers. When a client sends
// more, it is read again only after some are answered.
const maxPipelined = 256

var (
	// errRefused means that the connection is ending and takes no more requests.
	errRefused = errors.New("the connection takes no more requests")
	// errUnordered means that the answers are relayed unread, so that an answer of ours cannot be
	// placed.
	errUnordered = errors.New("the answers of this connection are not read any more")
)

// exchange is a request that waits for its answer.
type exchange struct {
	headless bool          // the method is HEAD: the answer has no body, whatever its head says
	switched chan bool     // receives whether the service switched protocols; nil unless the client asked for it
	answer   []byte        // our own answer, when the service does not see the request
	edits    []*relay.Edit // of the answer of the service
}

// pipeline keeps the answers of one connection in the order of their requests (RFC 9112 section
// 9.3.2). Only the answer to the first exchange may be written. The goroutine that relays answers
// writes those of the service, and pipeline writes ours.
type pipeline struct {
	client *net.TCPConn
	out    *atomic.Uint64

	mu        sync.Mutex
	changed   sync.Cond
	waiting   []exchange
	storage   [4]exchange // the memory of waiting, unless the client pipelines more
	receiving bool        // a request is being read or passed on
	refusing  bool
	unordered bool
	why       relay.PassReason // why it is unordered
	ended     bool             // no more answers come
}

func newPipeline(client *net.TCPConn, out *atomic.Uint64) *pipeline {
	p := &pipeline{client: client, out: out}
	p.changed.L = &p.mu
	p.waiting = p.storage[:0]
	return p
}

// begin says that a request begins to come in. blind means that it must be relayed unread.
func (p *pipeline) begin() (blind bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing || p.ended && !p.unordered {
		return false, errRefused
	}
	p.receiving = true
	return p.unordered, nil
}

// done says that no byte of another request has come yet.
func (p *pipeline) done() {
	p.mu.Lock()
	p.receiving = false
	p.mu.Unlock()
}

// push appends a request. Call it before any byte of the request goes to the service. It writes our
// own answer at once if its turn has come.
func (p *pipeline) push(e exchange) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.waiting) >= maxPipelined && !p.ended && !p.unordered {
		p.changed.Wait()
	}
	switch {
	case p.unordered:
		return errUnordered
	case p.refusing || p.ended:
		return errRefused
	}
	p.waiting = append(p.waiting, e)
	if len(p.waiting) == 1 {
		return p.flush()
	}
	return nil
}

// front returns the exchange to which the next answer of the service belongs.
func (p *pipeline) front() (e exchange, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		return exchange{}, false
	}
	return p.waiting[0], true
}

// pop removes the first exchange and writes those of our answers whose turn has come.
func (p *pipeline) pop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop()
	return p.flush()
}

// flush writes our answers while they are first. The caller holds the lock, which keeps the order.
func (p *pipeline) flush() error {
	for len(p.waiting) > 0 && p.waiting[0].answer != nil {
		n, err := p.client.Write(p.waiting[0].answer)
		p.out.Add(uint64(n))
		if err != nil {
			return err // no writeError, which would mean the service: it is the client that is gone
		}
		p.drop()
	}
	return nil
}

func (p *pipeline) drop() {
	p.waiting[0] = exchange{} // frees its answer
	p.waiting = p.waiting[1:]
	if len(p.waiting) == 0 {
		p.waiting = p.storage[:0]
	}
	p.changed.Broadcast()
}

// refuseBehindFront makes the first answer the last one, unless more requests wait. It reports whether
// it is the last one.
func (p *pipeline) refuseBehindFront() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 1 {
		p.refusing = true
	}
	return p.refusing
}

// refuse makes the pipeline take no more requests.
func (p *pipeline) refuse() {
	p.mu.Lock()
	p.refusing = true
	p.mu.Unlock()
}

// refuseIfIdle makes the pipeline take no more requests if it is idle. It does not wait for the lock,
// which a slow client can block: whoever holds the lock is not idle.
func (p *pipeline) refuseIfIdle() bool {
	if !p.mu.TryLock() {
		return false
	}
	defer p.mu.Unlock()
	if p.receiving || len(p.waiting) > 0 || p.refusing || p.unordered || p.ended {
		return false
	}
	p.refusing = true
	return true
}

// giveUpOrder says that answers are relayed unread from here on. It returns false when an answer of
// ours is waiting, because nobody can know when its turn comes.
func (p *pipeline) giveUpOrder(why relay.PassReason) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unordered, p.why = true, why
	p.release(true)
	for _, e := range p.waiting {
		if e.answer != nil {
			return false
		}
	}
	return true
}

// reason returns why the answers are relayed unread.
func (p *pipeline) reason() relay.PassReason {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// end says that no more answers come.
func (p *pipeline) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.release(false)
}

// release wakes everybody who waits for an answer. The caller holds the lock.
func (p *pipeline) release(switched bool) {
	for _, e := range p.waiting {
		if e.switched == nil {
			continue
		}
		select {
		case e.switched <- switched:
		default: // it has received that before
		}
	}
	p.changed.Broadcast()
}

// settle returns when every request is answered, or no more answers come.
func (p *pipeline) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.waiting) > 0 && !p.ended {
		p.changed.Wait()
	}
}
