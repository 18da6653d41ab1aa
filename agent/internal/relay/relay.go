// Package relay is what the relays of all protocols have in common: the request that is judged, what
// happens to it, the answers of our own, the changes to answers, and the counters. A relay itself is
// a package of its own, for instance http1.
package relay

import (
	"bytes"
	"sync/atomic"
)

// Request is what a Decider may look at. It is valid only during the call.
type Request struct {
	Method, Target []byte
	// Fields are the header fields.
	Fields Fields
}

// Fields are the header fields of one request, in the form in which its protocol carries them.
type Fields interface {
	// Values returns the values of all fields of that name, in any case of its letters, without the
	// white space around them, in their order; nil if there is none.
	Values(name string) []string
}

// Outcome is what happens to one request. The zero value passes it on unchanged.
type Outcome struct {
	// Hold, if set, returns when the request may go on. The service sees nothing of the request before
	// that; answers to earlier requests go on. gone is closed when the client goes away: the relay then
	// drops the request.
	Hold func(gone <-chan struct{})
	// Abort is the answer in place of the service's, which never sees the request.
	Abort *Response
	// Edits change the answer of the service; they do not apply to Abort.
	Edits []*Edit
}

// Decider judges one request. It is called from many goroutines at once.
type Decider func(*Request) Outcome

// Counters only grow. Several relays may share them.
type Counters struct {
	// Connections that a relay was given.
	Connections atomic.Uint64
	// Requests whose head was read and judged.
	Requests atomic.Uint64
	// Passthrough counts the connections that were relayed without being read from some byte on.
	// Faults do not reach what follows on these.
	Passthrough ByReason
	// BytesIn came from clients. Bytes that the kernel moves are added a megabyte at a time.
	BytesIn atomic.Uint64
	// BytesOut went to clients, from the service or from us.
	BytesOut atomic.Uint64
}

// Path returns the target without its query and, in the absolute form, without scheme and authority
// (RFC 9112 section 3.2.2).
func (r *Request) Path() string {
	path, _, _ := bytes.Cut(r.Target, []byte("?"))
	scheme, rest, absolute := bytes.Cut(path, []byte("://"))
	if absolute && bytes.IndexByte(scheme, '/') < 0 {
		slash := bytes.IndexByte(rest, '/')
		if slash < 0 {
			return "/"
		}
		path = rest[slash:]
	}
	return string(path)
}

// Header returns the values of the header fields of that name, as Fields does.
func (r *Request) Header(name string) []string { return r.Fields.Values(name) }
