package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// serve answers until it is killed.
func serve(addresses []string) {
	mux := http.NewServeMux()
	mux.HandleFunc("/hash", hash)
	mux.HandleFunc("/hash/", hash)
	mux.HandleFunc("/early", early)
	mux.HandleFunc("/ticks", ticks)
	mux.HandleFunc("/echo", echo)
	failed := make(chan error)
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			panic(err)
		}
		go func() { failed <- http.Serve(l, mux) }()
	}
	fmt.Println("ready")
	panic(<-failed)
}

// hash answers with what came: a changed byte in the body shows.
func hash(w http.ResponseWriter, r *http.Request) {
	sum := sha256.New()
	if _, err := io.Copy(sum, r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	fmt.Fprintln(w, hex.EncodeToString(sum.Sum(nil)), r.Method, r.URL.Path)
}

// early begins its answer before it reads the body, and answers each piece of it.
func early(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	c.EnableFullDuplex() //nolint:errcheck // HTTP/1.1 allows it
	w.WriteHeader(http.StatusOK)
	c.Flush() //nolint:errcheck // the client is gone, then
	sum := sha256.New()
	piece := make([]byte, 4096)
	for {
		n, err := r.Body.Read(piece)
		sum.Write(piece[:n])
		if err != nil {
			break
		}
		io.WriteString(w, ".") //nolint:errcheck // same
		c.Flush()              //nolint:errcheck // same
	}
	fmt.Fprintf(w, "\n%x\n", sum.Sum(nil))
}

// ticks sends a server-sent event every 20 ms, for ever.
func ticks(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for i := 0; r.Context().Err() == nil; i++ {
		fmt.Fprintf(w, "data: %d\n\n", i)
		http.NewResponseController(w).Flush() //nolint:errcheck // its context ends then
		time.Sleep(20 * time.Millisecond)
	}
}

// echo switches protocols and then sends back every line.
func echo(w http.ResponseWriter, r *http.Request) {
	c, both, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer c.Close() //nolint:errcheck // nobody is left to tell
	fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
	for lines := bufio.NewScanner(both); lines.Scan(); {
		fmt.Fprintln(c, lines.Text())
	}
}
