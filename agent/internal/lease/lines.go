package lease

import (
	"bufio"
	"encoding/json"
	"io"
	"time"

	"chaosgo/agent/internal/spec"
)

// readLines hands over every line of in and closes the channel at its end. A line that is too long also
// closes the channel, because the rest of the input cannot be understood.
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

// writer writes events in a goroutine of its own. The lease never waits for the reader, because a hung
// control plane must not keep a fault alive.
type writer struct {
	events chan spec.Event
	done   chan struct{}
}

// patience is how long close waits for a slow reader.
const patience = time.Second

func newWriter(out io.Writer) *writer {
	w := &writer{events: make(chan spec.Event, 1024), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		encoder := json.NewEncoder(out)
		for e := range w.events {
			if encoder.Encode(e) != nil {
				return // the reader is gone; the lease sees the end of stdin
			}
		}
	}()
	return w
}

// emit queues an event. When the queue is full, the reader has hung for minutes, and the event is lost.
func (w *writer) emit(e spec.Event) {
	e.AtUnixS = float64(time.Now().UnixMicro()) / 1e6
	select {
	case w.events <- e:
	default:
	}
}

// close waits until all events are written, at most as long as patience.
func (w *writer) close() {
	close(w.events)
	select {
	case <-w.done:
	case <-time.After(patience):
	}
}
