package http1

import "bytes"

// Request is what a Decider may look at. Its slices are valid only during the call.
type Request struct {
	Method, Target []byte
	// Head is the raw head: request line, header lines and the empty line.
	Head []byte
}

// Outcome is what happens to one request. The zero value passes it on unchanged.
type Outcome struct {
	// Hold, if set, returns when the request may go on; the service sees nothing of it before, while
	// answers go on. gone is closed when the client goes away: its request is dropped then.
	Hold func(gone <-chan struct{})
	// Abort is the answer in place of the service's, which never sees the request.
	Abort *Response
	// Edits change the answer of the service; they do not apply to Abort.
	Edits []*Edit
}

// Decider judges one request. It is called from many goroutines at once.
type Decider func(*Request) Outcome

// Path gives the target without its query and, in the absolute form, without scheme and authority
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

// Header gives the values of all header lines of that name, in any case, without the space around
// them, in their order; nil if there is none.
func (r *Request) Header(name string) (values []string) {
	_, lines, _ := cutLine(r.Head)
	for len(lines) > 0 {
		line, rest, ok := cutLine(lines)
		if !ok || len(line) == 0 {
			break
		}
		if found, value, ok := cutField(line); ok && bytes.EqualFold(found, []byte(name)) {
			values = append(values, string(value))
		}
		lines = rest
	}
	return values
}
