package webhook_test

import (
	"net/netip"
	"net/url"
	"testing"

	"github.com/ekiben/ekiben/internal/webhook"
)

// What passes is https to port 443 of something public, as other readers of URLs
// see it too.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		"https://example.com/hook", "https://1.1.1.1", "https://[2606:4700::1]:443/x?y=z", "http://example.com", "https://127.0.0.1@example.com",
		"https://example.com#@127.0.0.1", "https://[::ffff:10.0.0.1]/", "https://0x7f.1/", "https://[fe80::1%25eth0]/", "https://localhost.", "//x", "https:x",
	} {
		f.Add(seed)
	}
	p, err := webhook.NewPolicy(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if p.Check(raw) != nil {
			return
		}
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Hostname() == "" || (u.Port() != "" && u.Port() != "443") || len(raw) > webhook.MaxURL {
			t.Fatalf("%q passes", raw)
		}
		if addr, err := netip.ParseAddr(u.Hostname()); err == nil && (addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() || addr.Is4In6()) {
			t.Fatalf("%q passes: %s", raw, addr)
		}
	})
}
