package spec

import (
	"fmt"
	"testing"
)

func TestWaysThatAreAccepted(t *testing.T) {
	for _, way := range []string{
		`{"port":1}`, `{"port":65535}`,
		`{"to":"users:8082"}`, `{"to":"users_1.shop-a.svc.cluster.local.:8082"}`, `{"to":"10.0.0.1:80","caller_pid":1}`, `{"to":"[2001:db8::7]:80"}`,
		`{"proxy":{"listen":"127.0.0.1:9081","upstream":"users:8082"}}`, `{"proxy":{"listen":"[::1]:9081","upstream":"127.0.0.1:9081"}}`,
	} {
		if s, err := DecodeSpec(line(`"way":` + way)); err != nil || s.Way.String() != way {
			t.Errorf("%s: read %v, %v", way, s.Way, err)
		}
	}
}

func TestWaysThatAreRefused(t *testing.T) {
	for _, c := range []struct{ way, field, value, fix string }{
		{`{}`, "way", "{}", oneWay},
		{`{"port":0}`, "way", "{}", oneWay},
		{`{"port":1,"to":"a:1"}`, "way", `{"port":1,"to":"a:1"}`, oneWay},
		{`{"port":65536}`, "way.port", "65536", "1 to 65535"},
		{`{"port":-1}`, "way.port", "-1", "1 to 65535"},
		{`{"port":80,"caller_pid":7}`, "way.caller_pid", "7", "together with to"},
		{`{"to":"a:1","caller_pid":-7}`, "way.caller_pid", "-7", "together with to"},
		{`{"to":"0.0.0.0:80"}`, "way.to", "0.0.0.0:80", "the caller uses"},
		{`{"to":"[::ffff:0.0.0.0]:80"}`, "way.to", "[::ffff:0.0.0.0]:80", "the caller uses"},
		{`{"to":"239.0.0.1:80"}`, "way.to", "239.0.0.1:80", "the caller uses"},
		{`{"proxy":{"listen":"10.0.0.1:80","upstream":"a:1"}}`, "way.proxy.listen", "10.0.0.1:80", "127.0.0.1:9081"},
		{`{"proxy":{"listen":"localhost:80","upstream":"a:1"}}`, "way.proxy.listen", "localhost:80", "127.0.0.1:9081"},
		{`{"proxy":{"listen":"127.0.0.1:0","upstream":"a:1"}}`, "way.proxy.listen", "127.0.0.1:0", "users:8082"},
		{`{"proxy":{"listen":"127.0.0.1:80","upstream":"0.0.0.0:1"}}`, "way.proxy.upstream", "0.0.0.0:1", "the caller uses"},
		{`{"proxy":{"listen":"127.0.0.1:80"}}`, "way.proxy.upstream", "", "users:8082"},
		{`{"proxy":{"listen":"127.0.0.1:80","upstream":"127.0.0.1:80"}}`, "way.proxy.listen", "127.0.0.1:80", "another port"},
		{`{"proxy":{"listen":"127.0.0.1:80","upstream":"localhost:80"}}`, "way.proxy.listen", "127.0.0.1:80", "another port"},
		{`{"proxy":{"listen":"127.0.0.1:80","upstream":"[::ffff:127.0.0.1]:80"}}`, "way.proxy.listen", "127.0.0.1:80", "another port"},
	} {
		_, err := DecodeSpec(line(`"way":` + c.way))
		refused(t, c.way, err, c.field, c.value, c.fix)
	}
	for _, to := range []string{
		"users", "users:", ":80", "users:0", "users:65536", "users:+80", "users:080", "users:８０", "users:80/x", "us ers:80",
		"::1:80", "[users]:80", "[10.0.0.1]:80", "[::1%lo]:80", "[]:80", "10.0.0.256:80", "1.2:80", "a..b:80", "u%:80", "usérs:80",
	} {
		_, err := DecodeSpec(line(fmt.Sprintf(`"way":{"to":%q}`, to)))
		refused(t, to, err, "way.to", to, "users:8082, 127.0.0.1:8082 or [::1]:8082")
	}
}

func TestAKindSaysWhetherItTakesAWay(t *testing.T) {
	none, port := &Spec{Kind: "null"}, &Spec{Kind: "null", Way: &Way{Port: 80}}
	refused(t, "none", none.RequireWay(), "way", "", oneWay)
	refused(t, "port", port.RefuseWay(), "way", `{"port":80}`, "leave it out")
	if port.RequireWay() != nil || none.RefuseWay() != nil {
		t.Error("a way that the kind takes was refused, or none where it takes none")
	}
}
