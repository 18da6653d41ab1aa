package http1

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"

	"chaosgo/agent/internal/relay"
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
	headless bool          // asked by HEAD: the answer has no body whatever its head says
	switched chan bool     // gets whether the service switched protocols; nil unless the client asked
	answer   []byte        // ours, if the service does not see the request
	edits    []*relay.Edit // of the service's answer
}

// pipeline keeps the answers of one connection in the order of their requests (RFC 9112 section
// 9.3.2). Only the answer to the exchange in front may be written: by the goroutine that relays
// answers or, if it is one of ours, here.
type pipeline struct {
	client *net.TCPConn
	out    *atomic.Uint64

	mu        sync.Mutex
	changed   sync.Cond
	waiting   []exchange
	storage   [4]exchange // what waiting lives in unless a client pipelines more
	receiving bool        // a request is being read or passed on
	refusing  bool
	unordered bool
	why       relay.PassReason // it is unordered
	ended     bool             // no answer comes any more
}

func newPipeline(client *net.TCPConn, out *atomic.Uint64) *pipeline {
	p := &pipeline{client: client, out: out}
	p.changed.L = &p.mu
	p.waiting = p.storage[:0]
	return p
}

// begin says that a request starts to come in. blind tells that it must not be read.
func (p *pipeline) begin() (blind bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusing || p.ended && !p.unordered {
		return false, errRefused
	}
	p.receiving = true
	return p.unordered, nil
}

// done says that no byte of a further request has come yet.
func (p *pipeline) done() {
	p.mu.Lock()
	p.receiving = false
	p.mu.Unlock()
}

// push appends a request, before any byte of it goes to the service. Our own answer is written at
// once if it is its turn.
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

// front gives the exchange that the next answer of the service belongs to.
func (p *pipeline) front() (e exchange, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		return exchange{}, false
	}
	return p.waiting[0], true
}

// pop ends the exchange in front and writes those of our answers whose turn has come.
func (p *pipeline) pop() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop()
	return p.flush()
}

// flush writes our answers while they are in front. The lock is held, for order.
func (p *pipeline) flush() error {
	for len(p.waiting) > 0 && p.waiting[0].answer != nil {
		n, err := p.client.Write(p.waiting[0].answer)
		p.out.Add(uint64(n))
		if err != nil {
			return err // no writeError: it is the client that is gone, also for who relays requests
		}
		p.drop()
	}
	return nil
}

func (p *pipeline) drop() {
	p.waiting[0] = exchange{} // lets go of its answer
	p.waiting = p.waiting[1:]
	if len(p.waiting) == 0 {
		p.waiting = p.storage[:0]
	}
	p.changed.Broadcast()
}

// refuseBehindFront lets the answer in front be the last one, unless requests wait behind it.
func (p *pipeline) refuseBehindFront() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 1 {
		p.refusing = true
	}
	return p.refusing
}

// refuse takes no more requests.
func (p *pipeline) refuse() {
	p.mu.Lock()
	p.refusing = true
	p.mu.Unlock()
}

// refuseIfIdle takes no more requests if none is coming in or waiting. It does not wait for the lock,
// which a slow client may hold up: whoever has it is not idle.
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

// giveUpOrder says that answers are not read from here on. It fails if one of ours waits: nobody
// will ever know when its turn has come.
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

// reason gives why the answers are not read any more.
func (p *pipeline) reason() relay.PassReason {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// end says that no answer comes any more.
func (p *pipeline) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.release(false)
}

// release wakes all that wait for an answer; the lock is held.
func (p *pipeline) release(switched bool) {
	for _, e := range p.waiting {
		if e.switched == nil {
			continue
		}
		select {
		case e.switched <- switched:
		default: // was told before
		}
	}
	p.changed.Broadcast()
}

// settle returns when every request is answered, or never will be.
func (p *pipeline) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.waiting) > 0 && !p.ended {
		p.changed.Wait()
	}
}
