package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/ekiben/ekiben/gateway"
)

func TestACallerIsThePeerOrWhomATrustedProxyNames(t *testing.T) {
	t.Parallel()
	const proxy, stranger = "10.0.0.1:5000", "203.0.113.9:5000"
	for _, tt := range []struct {
		name, peer string
		headers    []string
		want       string
	}{
		{"a peer", stranger, nil, "203.0.113.9"},
		{"a peer over IPv6 is its /64", "[2001:db8:1:2:3:4:5:6]:80", nil, "2001:db8:1:2::/64"},
		{"a link-local peer has no zone", "[fe80::1%eth0]:80", nil, "fe80::/64"},
		{"IPv4 within IPv6 is IPv4", "[::ffff:203.0.113.9]:80", nil, "203.0.113.9"},
		{"a socket has no address", "@", nil, ""},
		{"a stranger's X-Forwarded-For", stranger, []string{"X-Forwarded-For", "192.0.2.1"}, "203.0.113.9"},
		{"a stranger's name", stranger, []string{"X-User", "alice"}, "203.0.113.9"},
		{"a stranger that goes round the proxy", stranger, []string{"X-Forwarded-For", "10.0.0.1", "X-User", "root"}, "203.0.113.9"},
		{"a proxy that says nothing", proxy, nil, "10.0.0.1"},
		{"a proxy's client", proxy, []string{"X-Forwarded-For", "192.0.2.1"}, "192.0.2.1"},
		{"a client's port", proxy, []string{"X-Forwarded-For", "192.0.2.1:4711"}, "192.0.2.1"},
		{"a client over IPv6", proxy, []string{"X-Forwarded-For", "[2001:db8::7]:1"}, "2001:db8::/64"},
		{"an address that the client made up", proxy, []string{"X-Forwarded-For", "198.51.100.1, 192.0.2.1"}, "192.0.2.1"},
		{"a header that the client made up", proxy, []string{"X-Forwarded-For", "198.51.100.1", "X-Forwarded-For", "192.0.2.1"}, "192.0.2.1"},
		{"two proxies", proxy, []string{"X-Forwarded-For", "198.51.100.1, 192.0.2.1, 10.9.9.9"}, "192.0.2.1"},
		{"a client that claims to be a proxy", proxy, []string{"X-Forwarded-For", "10.0.0.7, 192.0.2.1, 10.9.9.9"}, "192.0.2.1"},
		{"proxies only", proxy, []string{"X-Forwarded-For", "10.0.0.7, 10.0.0.8"}, "10.0.0.7"},
		{"a proxy within IPv6", "[fd00::1]:1", []string{"X-Forwarded-For", "::ffff:192.0.2.1"}, "192.0.2.1"},
		{"nonsense", proxy, []string{"X-Forwarded-For", "unknown"}, "10.0.0.1"},
		{"nonsense at the end", proxy, []string{"X-Forwarded-For", "192.0.2.1, "}, "10.0.0.1"},
		{"nonsense before the end", proxy, []string{"X-Forwarded-For", "',(, 192.0.2.1"}, "192.0.2.1"},
		{"nothing", proxy, []string{"X-Forwarded-For", ""}, "10.0.0.1"},
		{"a chain without end", proxy, []string{"X-Forwarded-For", "192.0.2.1" + strings.Repeat(", 10.0.0.1", 100)}, "10.0.0.1"},
		{"a name", proxy, []string{"X-User", "alice"}, "name:alice"},
		{"a name goes before an address", proxy, []string{"X-Forwarded-For", "192.0.2.1", "x-user", "alice"}, "name:alice"},
		{"a name like an address is none", proxy, []string{"X-User", "192.0.2.1"}, "name:192.0.2.1"},
		{"two names are none", proxy, []string{"X-Forwarded-For", "192.0.2.1", "X-User", "root", "X-User", "alice"}, "192.0.2.1"},
		{"an empty name is none", proxy, []string{"X-User", ""}, "10.0.0.1"},
		{"a name with a blank is none", proxy, []string{"X-User", "a b"}, "10.0.0.1"},
		{"the longest name", proxy, []string{"X-User", strings.Repeat("a", 128)}, "name:" + strings.Repeat("a", 128)},
		{"too long a name is none", proxy, []string{"X-User", strings.Repeat("a", 129)}, "10.0.0.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
			r.RemoteAddr = tt.peer
			for i := 0; i < len(tt.headers); i += 2 {
				r.Header.Add(tt.headers[i], tt.headers[i+1])
			}
			config := gateway.DefaultConfig()
			config.TrustedProxies, config.CallerHeader = []string{"10.0.0.0/8", " fd00::1"}, "X-User"
			if got := gateway.CallerOf(config, r); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if strings.HasPrefix(tt.want, "name:") {
				config.CallerHeader = ""
				if got := gateway.CallerOf(config, r); strings.HasPrefix(got, "name:") {
					t.Errorf("got %q from a header that was not configured", got)
				}
			}
		})
	}
}

func TestNobodyIsTrustedByDefault(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
	r.RemoteAddr = "127.0.0.1:1"
	r.Header.Set("X-Forwarded-For", "192.0.2.1")
	if got := gateway.CallerOf(gateway.DefaultConfig(), r); got != "127.0.0.1" {
		t.Errorf("got %q", got)
	}
}

// FuzzCaller: whatever headers say, a caller is short and visible, and that of a
// stranger does not depend on them.
func FuzzCaller(f *testing.F) {
	f.Add("10.0.0.1:1", "192.0.2.1, 10.0.0.2", "alice")
	f.Add("203.0.113.9:1", "::ffff:1.2.3.4,[fe80::1%x]:9", "a\x00b")
	config := gateway.DefaultConfig()
	config.TrustedProxies, config.CallerHeader = []string{"10.0.0.0/8"}, "X-User"
	f.Fuzz(func(t *testing.T, peer, forwarded, user string) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {forwarded}, "X-User": {user}}}
		got := gateway.CallerOf(config, r)
		if len(got) > 133 || strings.ContainsFunc(got, func(c rune) bool { return c <= ' ' || c > '~' }) {
			t.Errorf("%q", got)
		}
		addr, err := netip.ParseAddrPort(peer)
		if err == nil && netip.MustParsePrefix("10.0.0.0/8").Contains(addr.Addr().Unmap()) {
			return
		}
		if alone := gateway.CallerOf(config, &http.Request{RemoteAddr: peer}); got != alone {
			t.Errorf("a stranger became %q from %q", got, alone)
		}
	})
}
