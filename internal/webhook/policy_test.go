package webhook_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"code.dny.dev/ssrf"

	"github.com/ekiben/ekiben/internal/webhook"
)

func policy(t *testing.T, allow ...string) *webhook.Policy {
	t.Helper()
	p, err := webhook.NewPolicy(allow)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPublicHTTPSAddressesMayBeTold(t *testing.T) {
	t.Parallel()

	p := policy(t)
	for _, url := range []string{
		"https://example.com", "https://example.com/hook?a=b", "https://example.com:443/", "HTTPS://EXAMPLE.com/",
		"https://1.1.1.1/x", "https://[2606:4700:4700::1111]/x",
	} {
		if err := p.Check(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestOtherAddressesMayNotBeTold(t *testing.T) {
	t.Parallel()

	p := policy(t)
	for _, url := range []string{
		"", "hook", "/hook", "//example.com/x", "https://", "https:///x", "https:example.com", "mailto:a@example.com", "ftp://example.com/",
		"http://example.com/", "https://user@example.com/", "https://user:password@example.com/", "https://example.com/#top", "https://example.com/#",
		"https://example.com:8443/", "https://example.com:80/", "https://localhost/", "https://LOCALHOST./", "https://127.0.0.1/",
		"https://10.1.2.3/", "https://169.254.169.254/latest/meta-data", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[fe80::1%25eth0]/",
		"https://0.0.0.0/", "https://[::]/", "https://100.64.0.1/", "https://exam ple.com/", "https://example.com/\x7f",
		"https://example.com/" + strings.Repeat("a", webhook.MaxURL),
	} {
		if err := p.Check(url); !errors.Is(err, webhook.ErrRefused) {
			t.Errorf("%q: %v, want it to be refused", url, err)
		}
	}
}

func TestExceptionsMayBePrivateAndPlain(t *testing.T) {
	t.Parallel()

	p := policy(t, "10.0.0.0/8", " hooks.internal:8080 ", "Plain.internal", "192.168.1.7", "[::1]:9000", "fd00::/8")
	for _, url := range []string{
		"http://10.1.2.3:81/", "https://10.1.2.3/", "http://hooks.internal:8080/x", "http://plain.internal:99/", "https://PLAIN.internal/",
		"http://192.168.1.7/", "http://[::1]:9000/", "http://[fd00::5]/", "http://[::ffff:10.0.0.1]/", "https://name-in-ten.internal:8443/",
	} {
		if err := p.Check(url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{
		"http://11.1.2.3/", "https://192.168.1.8/", "http://hooks.internal:8081/", "http://[::1]:9001/", "http://other.internal/", "http://user@plain.internal/",
	} {
		if err := p.Check(url); !errors.Is(err, webhook.ErrRefused) {
			t.Errorf("%s: %v, want it to be refused", url, err)
		}
	}
}

func TestFaultyExceptionsAreAllNamed(t *testing.T) {
	t.Parallel()

	_, err := webhook.NewPolicy([]string{"10.0.0.0/33", "ok.internal", "http://x", ""})
	if err == nil || !strings.Contains(err.Error(), "10.0.0.0/33") || !strings.Contains(err.Error(), "http://x") || strings.Contains(err.Error(), "ok.internal") {
		t.Errorf("got %v", err)
	}
}

// Every network that IANA has set apart is refused, in the URL and when a name
// turns out to be in it.
func TestSpecialNetworksAreRefused(t *testing.T) {
	t.Parallel()

	p := policy(t)
	prefixes := append(append([]netip.Prefix{}, ssrf.IPv4DeniedPrefixes...), ssrf.IPv6DeniedPrefixes...)
	if len(prefixes) < 20 {
		t.Fatalf("the table has only %d networks", len(prefixes))
	}
	for _, also := range []string{"127.0.0.0/8", "169.254.169.254/32", "10.0.0.0/8", "::1/128", "fe80::/10", "fc00::/7", "64:ff9b::/96", "::ffff:0:0/96"} {
		prefixes = append(prefixes, netip.MustParsePrefix(also))
	}
	for _, prefix := range prefixes {
		for _, addr := range []netip.Addr{prefix.Addr(), last(prefix)} {
			network := "tcp4"
			if addr.Is6() {
				network = "tcp6"
			}
			at := netip.AddrPortFrom(addr, 443).String()
			if err := p.Dial(network, at); !errors.Is(err, webhook.ErrRefused) {
				t.Errorf("dial %s: %v, want it to be refused", at, err)
			}
			if err := p.Check("https://" + at + "/"); !errors.Is(err, webhook.ErrRefused) {
				t.Errorf("check %s: %v, want it to be refused", at, err)
			}
		}
	}
	for _, good := range []string{"1.1.1.1:443", "[2606:4700:4700::1111]:443"} {
		if err := p.Dial(map[bool]string{true: "tcp6", false: "tcp4"}[good[0] == '['], good); err != nil {
			t.Errorf("dial %s: %v", good, err)
		}
	}
}

// last is the last address of a network.
func last(p netip.Prefix) netip.Addr {
	raw := p.Addr().AsSlice()
	for i := p.Bits(); i < len(raw)*8; i++ {
		raw[i/8] |= 1 << (7 - i%8)
	}
	addr, _ := netip.AddrFromSlice(raw)
	return addr
}
