package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"time"
)

// connection is a client that needs little processor time: on a machine with few processors the client takes it from
// the contender that is measured. It reads only answers with Content-Length, as all answers here have one.
type connection struct {
	net.Conn
	in      *bufio.Reader
	request []byte
	last    bool // the service closes the connection after the answer that was read
}

func dial(address, path string) (*connection, error) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	// Longer than any run, so that only a run that is stuck ends with an error.
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return nil, err
	}
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench-of-chaos-go/1\r\nAccept: */*\r\n\r\n", path, address)
	return &connection{Conn: c, in: bufio.NewReaderSize(c, 4<<10), request: []byte(request)}, nil
}

// ask sends the request and reads the whole answer.
func (c *connection) ask() (status int, err error) {
	if _, err := c.Write(c.request); err != nil {
		return 0, err
	}
	status, length, err := c.head()
	if err == nil {
		_, err = c.in.Discard(length)
	}
	return status, err
}

func (c *connection) head() (status, length int, err error) {
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		switch {
		case err != nil:
			return 0, 0, err
		case first && len(line) < len("HTTP/1.1 200"):
			return 0, 0, fmt.Errorf("not an HTTP/1.1 answer: %q", line)
		case first:
			status, err = strconv.Atoi(string(line[9:12]))
			c.last = bytes.HasPrefix(line, []byte("HTTP/1.0"))
		case len(bytes.TrimSpace(line)) == 0:
			return status, length, nil
		default:
			name, value, _ := bytes.Cut(line, []byte(":"))
			value = bytes.TrimSpace(value)
			switch {
			case bytes.EqualFold(name, []byte("content-length")):
				length, err = strconv.Atoi(string(value))
			case bytes.EqualFold(name, []byte("connection")):
				c.last = c.last || bytes.EqualFold(value, []byte("close"))
			}
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

// download reads one body as fast as it can and discards it.
func download(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("give ADDRESS PATH")
	}
	c, err := dial(args[0], args[1])
	if err != nil {
		return err
	}
	begin := time.Now()
	if _, err := c.Write(c.request); err != nil {
		return err
	}
	_, length, err := c.head()
	if err != nil {
		return err
	}
	buffered := c.in.Buffered()
	c.in.Discard(buffered) //nolint:errcheck // these bytes are in the buffer
	block := make([]byte, 256<<10)
	for got := buffered; got < length; {
		n, err := c.Read(block)
		if got += n; err != nil && got < length {
			return fmt.Errorf("%d of %d bytes: %w", got, length, err)
		}
	}
	return report(map[string]float64{"gigabyte_per_s": float64(length) / 1e9 / time.Since(begin).Seconds()})
}
