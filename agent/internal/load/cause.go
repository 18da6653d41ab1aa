package load

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
)

// Causes of a failed request without an answer. That of an answer with a status from 500 is its status.
const (
	causeTimeout     = "timeout"     // no whole answer before the timeout
	causeUnresolved  = "unresolved"  // the host has no address
	causeRefused     = "refused"     // nothing listens there
	causeReset       = "reset"       // the connection was reset
	causeClosed      = "closed"      // the connection was closed before the end of the answer
	causeUnreachable = "unreachable" // there is no way to the host
	causeOther       = "other"       // anything else, such as an answer that is not HTTP
)

// causes has the errors that stand for a cause, in the order in which they are looked for.
var causes = []struct {
	name   string
	errors []error
}{
	{causeRefused, []error{syscall.ECONNREFUSED}},
	{causeReset, []error{syscall.ECONNRESET}},
	{causeUnreachable, []error{syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN}},
	{causeClosed, []error{io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE}},
}

// causeOf tells why a request failed; "" if it did not. A status below 500 is no failure of the service.
func causeOf(status int, err error) string {
	switch {
	case err != nil:
		return causeOfError(err)
	case status >= http.StatusInternalServerError:
		return strconv.Itoa(status)
	}
	return ""
}

func causeOfError(err error) string {
	if isTimeout(err) {
		return causeTimeout
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return causeUnresolved
	}
	for _, cause := range causes {
		for _, one := range cause.errors {
			if errors.Is(err, one) {
				return cause.name
			}
		}
	}
	// net/http does not export the error for a kept connection that the service closed just before the request.
	if strings.HasSuffix(err.Error(), "server closed idle connection") {
		return causeClosed
	}
	return causeOther
}
