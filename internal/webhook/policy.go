// Package webhook says who may be told about jobs, and tells them: it checks
// addresses, signs messages as Standard Webhooks (standardwebhooks.com) and POSTs
// them. What becomes of a message that was not taken is for others to decide.
package webhook

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// ErrRefused means that an address is none that may be told.
var ErrRefused = errors.New("address is refused")

// MaxURL is the longest URL that is taken, in bytes.
const MaxURL = 2048

// Policy says which addresses may be told. Without exceptions that is https on
// port 443 of public addresses. It is safe for concurrent use.
type Policy struct {
	// hosts are exceptions by name or by name:port, prefixes by address.
	hosts    map[string]bool
	prefixes []netip.Prefix

	guardian *ssrf.Guardian
}

// NewPolicy makes a policy with exceptions: networks such as 10.0.0.0/8,
// addresses, names, or name:port. What they name may be private, have any port,
// and http for a scheme. It fails for an exception that is none of these, and
// names all that are not.
func NewPolicy(allow []string) (*Policy, error) {
	p := &Policy{hosts: map[string]bool{}, guardian: ssrf.New(ssrf.WithPorts(443))}
	var errs []error
	for _, entry := range allow {
		entry = strings.ToLower(strings.TrimSpace(entry))
		if prefix, err := netip.ParsePrefix(entry); err == nil {
			p.prefixes = append(p.prefixes, prefix.Masked())
			continue
		}
		if addr, err := netip.ParseAddr(strings.Trim(entry, "[]")); err == nil {
			p.prefixes = append(p.prefixes, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		if u, err := url.Parse("//" + entry); err != nil || u.Hostname() == "" || u.Host != entry {
			errs = append(errs, fmt.Errorf("%q is not a network, an address, a name or name:port", entry))
			continue
		}
		p.hosts[entry] = true
	}
	return p, errors.Join(errs...)
}

// Check returns nil for a URL that may be told, as far as that can be seen
// without a look-up. Otherwise the error says what is right, and is [ErrRefused].
func (p *Policy) Check(raw string) error {
	if len(raw) > MaxURL {
		return fmt.Errorf("%w: the URL has %d bytes, want at most %d", ErrRefused, len(raw), MaxURL)
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		return fmt.Errorf("%w: want an absolute URL such as https://example.com/hook", ErrRefused)
	}
	switch {
	case u.User != nil:
		return fmt.Errorf("%w: the URL must not have a user name or password", ErrRefused)
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return fmt.Errorf("%w: the URL must not have a fragment", ErrRefused)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: the URL's scheme must be https", ErrRefused)
	}
	return p.checkHost(u)
}

// checkHost checks what an exception lifts.
func (p *Policy) checkHost(u *url.URL) error {
	if p.named(hostPort(u)) {
		return nil
	}
	addr, err := netip.ParseAddr(u.Hostname())
	literal := err == nil
	if literal && p.within(addr) {
		return nil
	}
	if u.Scheme != "https" {
		return fmt.Errorf("%w: the URL's scheme must be https, http is for addresses in EKIBEN_WEBHOOK_ALLOW", ErrRefused)
	}
	if literal {
		if err := p.guardian.SafeAddr(addr.WithZone("")); err != nil {
			return fmt.Errorf("%w: %s is not a public address", ErrRefused, addr)
		}
	}
	if strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), "localhost") {
		return fmt.Errorf("%w: localhost is not a public address", ErrRefused)
	}
	// A name may still be one of an allowed network, which may have any port.
	if port := u.Port(); port != "" && port != "443" && (literal || len(p.prefixes) == 0) {
		return fmt.Errorf("%w: the port must be 443, others are for addresses in EKIBEN_WEBHOOK_ALLOW", ErrRefused)
	}
	return nil
}

// named reports whether an exception names a host and port.
func (p *Policy) named(host, port string) bool {
	host = strings.ToLower(host)
	return p.hosts[host] || p.hosts[net.JoinHostPort(host, port)]
}

// within reports whether an exception has an address.
func (p *Policy) within(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, prefix := range p.prefixes {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// control refuses connections to addresses that are not public and no exception,
// when the name is resolved and the connection is about to be made. It is a
// [net.Dialer]'s Control.
func (p *Policy) control(network, address string, c syscall.RawConn) error {
	if at, err := netip.ParseAddrPort(address); err == nil && p.within(at.Addr()) {
		return nil
	}
	if err := p.guardian.Safe(network, address, c); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return nil
}

// hostPort are the host of a URL and its port, that of the scheme if it has none.
func hostPort(u *url.URL) (host, port string) {
	host, port = u.Hostname(), u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return host, port
}
