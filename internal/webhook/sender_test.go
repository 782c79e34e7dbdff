package webhook_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/ekiben/ekiben/internal/webhook"
)

// secret is whsec_ and a key of so many bytes.
func secret(letter string, n int) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, n)))
}

// receiver is one that the sender may tell, with the sender.
func receiver(t *testing.T, h http.HandlerFunc) (to string, s *webhook.Sender) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL, sender(t, policy(t, strings.TrimPrefix(server.URL, "http://")), webhook.Options{})
}

func sender(t *testing.T, p *webhook.Policy, o webhook.Options) *webhook.Sender {
	t.Helper()
	signer, err := webhook.NewSigner(secret("a", 24) + ", " + secret("b", 64))
	if err != nil {
		t.Fatal(err)
	}
	return webhook.NewSender(p, signer, o)
}

func TestMessagesAreSignedWithEverySecret(t *testing.T) {
	t.Parallel()

	const body = `{"type":"job.succeeded"}`
	var faults []error
	to, s := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		got, _ := io.ReadAll(r.Body)
		for _, key := range []string{secret("a", 24), secret("b", 64)} {
			w, err := standardwebhooks.NewWebhook(key)
			if err == nil {
				err = w.Verify(got, r.Header)
			}
			faults = append(faults, err)
		}
		if r.Method != http.MethodPost || string(got) != body || r.Header.Get("webhook-id") != "job:1" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %s %q %v", r.Method, got, r.Header)
		}
		other, _ := standardwebhooks.NewWebhook(secret("c", 24))
		if other.Verify(got, r.Header) == nil {
			t.Error("another secret verifies the message too")
		}
	})
	o := s.Post(t.Context(), to, "job:1", []byte(body))
	if o.Status != http.StatusOK || len(faults) != 2 || faults[0] != nil || faults[1] != nil {
		t.Errorf("outcome %+v, faults %v", o, faults)
	}
}

func TestFaultySecretsAreRefusedAndNotTold(t *testing.T) {
	t.Parallel()

	for _, bad := range []string{
		"", "password", secret("a", 23), secret("a", 65), "whsec_!!!", strings.TrimPrefix(secret("a", 24), "whsec_"), secret("a", 24) + ",", secret("a", 24) + ",pass",
	} {
		_, err := webhook.NewSigner(bad)
		if err == nil || strings.Contains(err.Error(), "pass") || strings.Contains(err.Error(), "YWFh") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()

	var asked atomic.Int32
	to, s := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	if o := s.Post(t.Context(), to, "m", nil); o.Status != http.StatusTemporaryRedirect || asked.Load() != 1 {
		t.Errorf("outcome %+v after %d requests", o, asked.Load())
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()

	to, s := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
		for range 64 {
			if _, err := io.WriteString(w, strings.Repeat("é\x00\xff", 64<<10/4)); err != nil {
				return
			}
		}
	})
	o := s.Post(t.Context(), to, "m", nil)
	if o.Status != http.StatusServiceUnavailable || o.RetryAfter != 7*time.Second || len(o.Answer) > 1024 || strings.Trim(o.Answer, "é") != "" || o.Answer == "" {
		t.Errorf("got %d %s %q", o.Status, o.RetryAfter, o.Answer)
	}
}

func TestSlowReceiversAreLeft(t *testing.T) {
	t.Parallel()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	left := make(chan struct{})
	to, s := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body) // the server sees that a client goes once it has read all
		cancel()
		<-r.Context().Done()
		close(left)
	})
	if o := s.Post(ctx, to, "m", nil); o.Status != 0 || o.Refused || o.Answer == "" {
		t.Errorf("got %+v", o)
	}
	<-left
}

func TestAbsentReceiversAreNotRefused(t *testing.T) {
	t.Parallel()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	s := sender(t, policy(t, l.Addr().String()), webhook.Options{})
	if o := s.Post(t.Context(), "http://"+l.Addr().String(), "m", nil); o.Status != 0 || o.Refused || o.Answer == "" {
		t.Errorf("got %+v", o)
	}
}

// Names are checked when they are dialed: one that was good may be bad the next
// time, and good again.
func TestNamesThatTurnPrivateAreNotTold(t *testing.T) {
	t.Parallel()

	var asked atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan netip.Addr, 3)
	answers <- netip.MustParseAddr("127.0.0.1")
	answers <- netip.MustParseAddr("127.0.0.2")
	answers <- netip.MustParseAddr("127.0.0.1")
	s := sender(t, policy(t, "127.0.0.1/32"), webhook.Options{Resolver: resolver(t, answers), Roots: roots})

	to := "https://example.com:" + at.Port() + "/hook" // the certificate's name
	if o := s.Post(t.Context(), to, "m", nil); o.Status != http.StatusOK {
		t.Fatalf("the first time: %+v", o)
	}
	if o := s.Post(t.Context(), to, "m", nil); o.Refused || o.Status != 0 || !strings.Contains(o.Answer, "127.0.0.2") {
		t.Errorf("the second time: %+v", o)
	}
	if o := s.Post(t.Context(), to, "m", nil); o.Status != http.StatusOK {
		t.Errorf("the third time: %+v", o)
	}
	if asked.Load() != 2 {
		t.Errorf("the receiver was asked %d times", asked.Load())
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	t.Parallel()

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the receiver was told") }))
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	s := sender(t, policy(t, strings.TrimPrefix(server.URL, "https://")), webhook.Options{})
	if o := s.Post(t.Context(), server.URL, "m", nil); o.Status != 0 || !strings.Contains(o.Answer, "certificate") {
		t.Errorf("got %+v", o)
	}
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 9, 30, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "5": 5 * time.Second, "-5": 0, "soon": 0, "99999999999999999999": 0,
		"Wed, 30 Sep 2026 12:00:30 GMT": 30 * time.Second, "Wed, 30 Sep 2026 11:00:00 GMT": 0,
	} {
		if got := webhook.RetryAfter(value, now); got != want {
			t.Errorf("%q: got %s, want %s", value, got, want)
		}
	}
}

// resolver resolves every name to the next of the addresses, IPv4 only.
func resolver(t *testing.T, answers <-chan netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) == 0 {
				continue
			}
			q := m.Questions[0]
			m.Header.Response, m.Header.RecursionAvailable, m.Additionals = true, true, nil
			if q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: (<-answers).As4()},
				}}
			}
			if raw, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(raw, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}
