package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// upload posts a body of whole requests, each in a segment of its own, and says whether the service
// got it unchanged. It prints "begun" when the body has begun.
func upload(address, path string, pieces int) {
	c := connect(address)
	fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nUser-Agent: upload\r\nContent-Length: %d\r\n\r\n", path, pieces*len(fake))
	for i := range pieces {
		if i == pieces/4 {
			fmt.Println("begun")
		}
		if _, err := io.WriteString(c, fake); err != nil {
			panic(err)
		}
		time.Sleep(time.Millisecond)
	}
	w, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		panic(err)
	}
	text, err := io.ReadAll(w.Body)
	want := fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Repeat(fake, pieces))))
	if err != nil || !strings.Contains(string(text), want) {
		fmt.Printf("changed: %d %v %q instead of %s\n", w.StatusCode, err, text, want)
		return
	}
	fmt.Println("unchanged")
}

// hold opens two long-lived connections, and proves for every line of input that both still work.
func hold(address string) {
	echo, ticks := connect(address), connect(address)
	fmt.Fprint(echo, "GET /echo HTTP/1.1\r\nHost: x\r\nUser-Agent: a-hold-client\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
	fmt.Fprint(ticks, "GET /ticks HTTP/1.1\r\nHost: x\r\nUser-Agent: a-hold-client\r\n\r\n")
	lines, events := bufio.NewScanner(echo), bufio.NewScanner(ticks)
	next := 0
	skipUntil(lines, "")
	prove := func() {
		for range 3 {
			skipUntil(events, fmt.Sprintf("data: %d", next))
			next++
		}
		fmt.Fprintf(echo, "line %d\n", next)
		skipUntil(lines, fmt.Sprintf("line %d", next))
		fmt.Println("both work")
	}
	prove()
	for asked := bufio.NewScanner(os.Stdin); asked.Scan(); {
		prove()
	}
}

func skipUntil(lines *bufio.Scanner, wanted string) {
	for lines.Scan() {
		if strings.TrimSuffix(lines.Text(), "\r") == wanted {
			return
		}
	}
	panic(fmt.Sprintf("ended before %q: %v", wanted, lines.Err()))
}

func connect(address string) net.Conn {
	c, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	return c
}
