package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

const (
	// maxCaller is the longest name of a caller that a header may have.
	maxCaller = 128

	// maxHops is how many addresses of X-Forwarded-For are looked at.
	maxHops = 32

	// named comes before the name of a caller that a header has, so that nobody
	// can be named like an address.
	named = "name:"
)

// callers tells whose requests are whose. It does not change.
type callers struct {
	// trusted are the networks whose headers are believed.
	trusted []netip.Prefix
	// header names the caller, in its canonical form; "" if none does.
	header string
}

func newCallers(c Config) (*callers, error) {
	trusted, err := parseNetworks(c.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	return &callers{trusted: trusted, header: http.CanonicalHeaderKey(c.CallerHeader)}, nil
}

// of is whose request it is: its peer's, or, if that is a trusted proxy's, that of
// whom the proxy says. "" if nothing is known of the peer. What untrusted peers
// send in headers makes no difference.
func (c *callers) of(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	from := peer.Addr().Unmap()
	if !c.trusts(from) {
		return network(from)
	}
	if name := c.name(r.Header); name != "" {
		return named + name
	}
	if client, ok := c.forwarded(r.Header["X-Forwarded-For"]); ok {
		return network(client)
	}
	return network(from)
}

// name is what the caller's header says, or "" if it says nothing that can be
// one name.
func (c *callers) name(h http.Header) string {
	if c.header == "" {
		return ""
	}
	values := h[c.header]
	if len(values) != 1 || len(values[0]) > maxCaller || !visible(values[0]) {
		return ""
	}
	return values[0]
}

// forwarded is the last address in X-Forwarded-For that is not a trusted
// proxy's: what is before it was written by others. If all are trusted it is the
// first. ok is false if there is none, or what is in its place is no address.
func (c *callers) forwarded(values []string) (client netip.Addr, ok bool) {
	hops := 0
	for _, value := range slices.Backward(values) {
		for rest, more := value, true; more; hops++ {
			var last string
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, last = rest[:comma], rest[comma+1:]
			} else {
				last, more = rest, false
			}
			addr, err := parseHop(strings.Trim(last, " \t"))
			if err != nil || hops == maxHops {
				return netip.Addr{}, false
			}
			if !c.trusts(addr) {
				return addr, true
			}
			client, ok = addr, true
		}
	}
	return client, ok
}

// parseHop reads an address of X-Forwarded-For; some proxies add the port.
func parseHop(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		var with netip.AddrPort
		if with, err = netip.ParseAddrPort(s); err != nil {
			return netip.Addr{}, err //nolint:wrapcheck // never leaves this file
		}
		addr = with.Addr()
	}
	return addr.Unmap().WithZone(""), nil
}

func (c *callers) trusts(addr netip.Addr) bool {
	for _, n := range c.trusted {
		if n.Contains(addr.WithZone("")) {
			return true
		}
	}
	return false
}

// network is the caller at an address: itself, or of IPv6 the /64, which is what
// one customer gets.
func network(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	return netip.PrefixFrom(addr.WithZone(""), 64).Masked().String()
}

// visible reports whether all of s is visible ASCII, and there is any.
func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// validHeaderName reports whether s is a token of RFC 9110 section 5.6.2.
func validHeaderName(s string) bool {
	return visible(s) && !strings.ContainsAny(s, `"(),/:;<=>?@[\]{}`)
}

// parseNetworks reads networks; an address is a network of one.
func parseNetworks(all []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	var errs []error
	for _, s := range all {
		s = strings.TrimSpace(s)
		if addr, err := netip.ParseAddr(s); err == nil {
			addr = addr.Unmap().WithZone("")
			networks = append(networks, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		n, err := netip.ParsePrefix(s)
		if err != nil || n.Addr().Is4In6() {
			errs = append(errs, fmt.Errorf("%q is neither an address nor a network such as 10.0.0.0/8", s))
			continue
		}
		networks = append(networks, n.Masked())
	}
	return networks, errors.Join(errs...)
}
