package takeover

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
)

const (
	request  = "POST /a HTTP/1.1\r\nHost: x\r\nUser-Agent: a-client\r\nContent-Length: 4\r\n\r\nbody"
	closing  = "POST /a HTTP/1.1\r\nHost: x\r\nConnection:    close\r\nContent-Length: 4\r\n\r\nbody"
	ok200    = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	chunks   = "POST /a HTTP/1.1\r\nHost: x\r\nUser-Agent: a-client\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
	bodiless = "GET /a HTTP/1.1\r\nHost: x\r\nUser-Agent: a-client\r\n\r\n"
	expects  = "POST /a HTTP/1.1\r\nHost: x\r\nUser-Agent: a-client\r\nContent-Length: 400\r\nExpect: 100-continue\r\n\r\n"
)

// packet builds an IP packet with a correct checksum.
func packet(from, to string, seq uint32, payload string) []byte {
	source, destination := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	tcp := make([]byte, shortestTCP, shortestTCP+len(payload))
	binary.BigEndian.PutUint16(tcp, source.Port())
	binary.BigEndian.PutUint16(tcp[2:], destination.Port())
	binary.BigEndian.PutUint32(tcp[4:], seq)
	tcp[12], tcp[13] = shortestTCP/4<<4, 0x18
	tcp = append(tcp, payload...)
	var ip []byte
	if source.Addr().Is4() {
		ip = make([]byte, 12, 20+len(tcp))
		ip[0], ip[9] = 0x45, 6
		binary.BigEndian.PutUint16(ip[2:], uint16(20+len(tcp)))
	} else {
		ip = make([]byte, 8, 40+len(tcp))
		ip[0], ip[6] = 0x60, 6
		binary.BigEndian.PutUint16(ip[4:], uint16(len(tcp)))
	}
	ip = append(append(ip, source.Addr().AsSlice()...), destination.Addr().AsSlice()...)
	raw := append(ip, tcp...)
	if s, ok := parse(raw, len(raw)); ok {
		s.seal()
	}
	return raw
}

// talk is a connection as the queues see it; both directions begin at the same sequence number.
type talk struct {
	*testing.T
	guard          guard
	client, server string
	said, answered uint32
}

func newTalk(t *testing.T) *talk {
	return &talk{T: t, client: "10.0.0.1:4000", server: "10.0.0.2:80", said: 0xffffff00, answered: 0xffffff00}
}

// at sends a payload of the client at a sequence number. It returns what goes on to the server.
func (t *talk) at(seq uint32, payload string) string {
	t.Helper()
	raw := packet(t.client, t.server, seq, payload)
	s, ok := parse(raw, len(raw))
	if !ok {
		t.Fatal("not parsed")
	}
	before := bytes.Clone(raw)
	if changed := t.guard.fromClient(&s); !changed && !bytes.Equal(before, raw) {
		t.Errorf("changed: %v, but it became %q", changed, s.payload)
	}
	if !s.isWhole() {
		t.Errorf("the checksum of %q is wrong", s.payload)
	}
	return string(s.payload)
}

func (t *talk) ask(payload string) string {
	t.Helper()
	defer func() { t.said += uint32(len(payload)) }()
	return t.at(t.said, payload)
}

func (t *talk) answer(payload string) {
	raw := packet(t.server, t.client, t.answered, payload)
	s, _ := parse(raw, len(raw))
	t.guard.fromServer(&s)
	t.answered += uint32(len(payload))
}

func TestSecondRequestIsTheLastOne(t *testing.T) {
	for _, host := range []string{"10.0.0.1", "[fd00::1]"} {
		talk := newTalk(t)
		talk.client, talk.server = host+":4000", host+":80"
		if got := talk.ask(request); got != request {
			t.Errorf("nothing was seen before, but it became %q", got)
		}
		talk.answer(ok200)
		if got := talk.ask(request); got != closing {
			t.Errorf("%s: got %q", host, got)
		}
	}
}

func TestWhatIsSentAgainIsTheSame(t *testing.T) {
	talk := newTalk(t)
	talk.ask(request)
	talk.answer(ok200)
	first := talk.said
	talk.ask(request)
	for from := range len(request) {
		for _, to := range []int{from + 1, (from + len(request) + 1) / 2, len(request)} {
			if got := talk.at(first+uint32(from), request[from:to]); got != closing[from:to] {
				t.Fatalf("bytes %d to %d: %q instead of %q", from, to, got, closing[from:to])
			}
		}
	}
	if got := talk.ask(request); got != request {
		t.Errorf("what follows became %q", got)
	}
}

// Each says what the client and the server do before the client sends the request that is judged.
func TestOnlyARequestBehindAFollowedOneIsChanged(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(*talk)
		want   string
	}{
		{"answer under way at the start", func(t *talk) { t.answer(ok200) }, request},
		{"body under way at the start", func(t *talk) { t.ask("half a body"); t.answer(ok200) }, request},
		{"body of requests under way at the start", func(t *talk) {
			t.ask(bodiless + bodiless)
			t.answer(ok200)
			t.ask(request)
			t.answer(ok200)
		}, closing},
		{"no answer yet", func(t *talk) { t.ask(request) }, request},
		{"interim answer only", func(t *talk) { t.ask(request); t.answer("HTTP/1.1 103 Early Hints\r\n\r\n") }, request},
		{"interim and final", func(t *talk) { t.ask(request); t.answer("HTTP/1.1 103 x\r\n\r\n"); t.answer(ok200) }, closing},
		{"answer of another protocol", func(t *talk) { t.ask(request); t.answer("+OK\r\n") }, request},
		{"in the middle of the answer", func(t *talk) { t.ask(request); t.answer(ok200); t.answer("more") }, closing},
		{"chunked", func(t *talk) { t.ask(chunks); t.answer(ok200) }, closing},
		{"in pieces", func(t *talk) { t.ask(request[:len(request)-2]); t.ask(request[len(request)-2:]); t.answer(ok200) }, closing},
		{"early answer", func(t *talk) { t.ask(request[:len(request)-2]); t.answer(ok200) }, request},
		{"expected body", func(t *talk) { t.ask(expects); t.answer("HTTP/1.1 100 Continue\r\n\r\n") }, request},
		{"early answer to an expected body", func(t *talk) { t.ask(expects); t.answer(ok200) }, request},
		{"pipelined", func(t *talk) { t.ask(request + request); t.answer(ok200); t.answer(ok200) }, request},
		{"pipelined in turn", func(t *talk) { t.ask(request); t.answer(ok200); t.ask(request + request); t.answer(ok200) }, request},
		{"pipelined earlier", func(t *talk) { t.ask(request); t.ask(request); t.answer(ok200); t.answer(ok200) }, request},
		{"a gap", func(t *talk) { t.ask(request); t.answer(ok200); t.said += 9 }, request},
		{"a gap in the answers", func(t *talk) { t.answer("x"); t.ask(request); t.answered += 9; t.answer(ok200) }, request},
		{"an answer sent again", func(t *talk) {
			t.ask(request)
			t.answer(ok200)
			t.guard.server = nothing
			t.answered -= uint32(len(ok200))
			t.answer(ok200)
		}, request},
		{"a request sent again", func(t *talk) { t.ask(request); t.answer(ok200); t.at(t.said-9, request[len(request)-9:]) }, closing},
		{"a keep-alive probe", func(t *talk) { t.ask(request); t.answer(ok200); t.at(t.said-1, "") }, closing},
		{"switched protocols", func(t *talk) { t.ask(request); t.answer("HTTP/1.1 101 x\r\n\r\n"); t.ask(request); t.answer(ok200) }, request},
		{"too often something else", func(t *talk) {
			for range maxStrange {
				t.ask("\x17\x03\x03")
				t.answer("\x17\x03\x03")
			}
			t.ask("\x17")
			t.ask(request)
			t.answer(ok200)
		}, request},
	} {
		t.Run(c.name, func(t *testing.T) {
			talk := newTalk(t)
			c.before(talk)
			if got := talk.ask(request); got != c.want {
				t.Errorf("it became %q", got)
			}
		})
	}
}

func TestDamagedSegmentStaysDamaged(t *testing.T) {
	talk := newTalk(t)
	talk.ask(request)
	talk.answer(ok200)
	raw := packet(talk.client, talk.server, talk.said, request)
	raw[len(raw)-1] ^= 1
	before := bytes.Clone(raw)
	if s, _ := parse(raw, len(raw)); talk.guard.fromClient(&s) || !bytes.Equal(raw, before) {
		t.Error("it got a right checksum")
	}
}

func TestWhatIsNoSegment(t *testing.T) {
	whole := packet("10.0.0.1:1", "10.0.0.2:2", 7, "x")
	for i := range len(whole) - 1 {
		if _, ok := parse(whole[:i], i); ok {
			t.Errorf("%d of %d bytes were parsed", i, len(whole))
		}
	}
	for at, b := range map[int]byte{0: 0x75, 9: 17, 7: 1, 6: 0x20, 32: 0xf0} {
		other := bytes.Clone(whole)
		other[at] = b
		if _, ok := parse(other, len(other)); ok {
			t.Errorf("byte %d = %#x was parsed", at, b)
		}
	}
	s, ok := parse(whole[:41], 1000)
	if !ok || s.length != 960 || s.end() != 967 || s.isWhole() {
		t.Errorf("a part of a packet: %+v %v", s, ok)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(packet("10.0.0.1:1", "10.0.0.2:2", 7, request))
	f.Add(packet("[fd00::1]:1", "[fd00::2]:2", 7, request))
	f.Fuzz(func(t *testing.T, raw []byte) {
		g := guard{toServer: position{7, true}, boundary: true, server: answer}
		size := len(raw)
		if s, ok := parse(raw, size); ok && g.fromClient(&s) && (len(raw) != size || !s.isWhole()) {
			t.Errorf("%q is broken", raw)
		}
	})
}
