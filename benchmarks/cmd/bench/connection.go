package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"time"
)

// connection is a client that costs little: on a machine with few processors whatever the client
// takes is missing for what is measured. It reads answers with Content-Length, which all here have.
type connection struct {
	net.Conn
	in      *bufio.Reader
	request []byte
	last    bool // the service closes behind the answer that was read
}

func dial(address, path string) (*connection, error) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	// No run takes so long; one that got stuck ends with an error.
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		return nil, err
	}
	request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench-of-chaos-go/1\r\nAccept: */*\r\n\r\n", path, address)
	return &connection{Conn: c, in: bufio.NewReaderSize(c, 4<<10), request: []byte(request)}, nil
}

// ask sends the request and reads its answer to the end.
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
			return 0, 0, fmt.Errorf("no answer of HTTP/1.1: %q", line)
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

// download reads one body and throws it away as fast as it comes.
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
	c.in.Discard(buffered) //nolint:errcheck // it is there
	block := make([]byte, 256<<10)
	for got := buffered; got < length; {
		n, err := c.Read(block)
		if got += n; err != nil && got < length {
			return fmt.Errorf("%d of %d bytes: %w", got, length, err)
		}
	}
	return report(map[string]float64{"gigabyte_per_s": float64(length) / 1e9 / time.Since(begin).Seconds()})
}
