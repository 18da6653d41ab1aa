package lease

import (
	"bufio"
	"encoding/json"
	"io"
	"time"

	"chaosgo/agent/internal/spec"
)

// readLines hands over every line of in and closes the channel at its end. A line that is too
// long ends it too: such a peer cannot be understood any more.
func readLines(in io.Reader) <-chan []byte {
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		s := bufio.NewScanner(in)
		s.Buffer(make([]byte, 0, 4096), spec.MaxLine)
		for s.Scan() {
			lines <- append([]byte(nil), s.Bytes()...)
		}
	}()
	return lines
}

// writer puts events on out without ever making the lease wait for a reader that has stopped
// reading: a hung control plane must not keep a fault alive.
type writer struct {
	events chan spec.Event
	done   chan struct{}
}

// patience is how long the last events wait for a slow reader.
const patience = time.Second

func newWriter(out io.Writer) *writer {
	w := &writer{events: make(chan spec.Event, 1024), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		encoder := json.NewEncoder(out)
		for e := range w.events {
			if encoder.Encode(e) != nil {
				return // the reader is gone; the end of stdin tells the lease
			}
		}
	}()
	return w
}

// emit queues an event; when the queue is full it is lost, as the reader has hung for minutes.
func (w *writer) emit(e spec.Event) {
	e.AtUnixS = float64(time.Now().UnixMicro()) / 1e6
	select {
	case w.events <- e:
	default:
	}
}

// close waits until everything is written or patience is over.
func (w *writer) close() {
	close(w.events)
	select {
	case <-w.done:
	case <-time.After(patience):
	}
}
