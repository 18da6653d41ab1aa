package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
)

// answerBody is about as long as a small JSON document.
const answerBody = `{"user_id":"u1","name":"Ada","active":true,"tier":"gold","orders":[17,23,42],"score":0.87}` + "\n"

// bigSize is the length of the body at /big.
const bigSize = 1 << 30

// serve answers on every address: with a large body at /big, and a small body at all other paths.
func serve(addresses []string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, answerBody) //nolint:errcheck // the client is gone
	})
	mux.HandleFunc("/big", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(bigSize))
		block := make([]byte, 256<<10)
		for left := bigSize; left > 0; left -= len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	ended := make(chan error)
	for _, address := range addresses {
		go func() { ended <- http.ListenAndServe(address, mux) }()
	}
	return <-ended
}

// relay does the least that a proxy in user space can do: it reads no byte, and the kernel splices large transfers
// (io.Copy between two TCP connections).
func relay(args []string) error {
	if len(args) != 2 {
		return errors.New("give LISTEN UPSTREAM")
	}
	listener, err := net.Listen("tcp", args[0])
	if err != nil {
		return err
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go relayOne(client, args[1])
	}
}

func relayOne(client net.Conn, upstream string) {
	defer client.Close() //nolint:errcheck // the connection is abandoned in any case
	service, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	defer service.Close() //nolint:errcheck // same
	go func() {
		io.Copy(service, client)            //nolint:errcheck // an error is visible on the other side
		service.(*net.TCPConn).CloseWrite() //nolint:errcheck // same
	}()
	io.Copy(client, service) //nolint:errcheck // same
}

// reverseProxy keeps enough idle connections for every client; the default of 2 is not enough.
func reverseProxy(args []string) error {
	if len(args) != 2 {
		return errors.New("give LISTEN UPSTREAM")
	}
	target := &url.URL{Scheme: "http", Host: args[1]}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 1024
	transport.DisableCompression = true
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: transport,
	}
	return http.ListenAndServe(args[0], proxy)
}
