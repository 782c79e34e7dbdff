package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of one POST.
const (
	// Timeout is how long it may take, with the look-up and the answer.
	Timeout = 15 * time.Second
	// maxAnswer is how much of the answer is read, keptAnswer how much is kept.
	maxAnswer, keptAnswer = 64 << 10, 1 << 10
)

// Outcome is what came of a POST.
type Outcome struct {
	// Status is the HTTP status, 0 if there was none.
	Status int
	// Answer is how the body begins, or the error; at most 1 KiB of valid UTF-8.
	Answer string
	// RetryAfter is what the receiver asked for; 0 if it did not.
	RetryAfter time.Duration
	// Refused: the URL is none that may be told, whatever its name stands for, and
	// the receiver was not asked.
	Refused bool
}

// Options are for tests. The zero Options are those of the system.
type Options struct {
	Resolver *net.Resolver
	Roots    *x509.CertPool
}

// Sender POSTs messages. It is safe for concurrent use.
type Sender struct {
	policy *Policy
	signer *Signer
	client *http.Client
}

// NewSender makes a sender. It follows no redirects, uses no proxy, and makes a
// connection for every message, so that every one is checked.
func NewSender(p *Policy, s *Signer, o Options) *Sender {
	free := &net.Dialer{Timeout: Timeout, Resolver: o.Resolver}
	guarded := &net.Dialer{Timeout: Timeout, Resolver: o.Resolver, Control: p.control}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(address)
			if err == nil && p.named(host, port) {
				return free.DialContext(ctx, network, address)
			}
			return guarded.DialContext(ctx, network, address)
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout:    Timeout,
		MaxResponseHeaderBytes: maxAnswer,
		DisableKeepAlives:      true,
		DisableCompression:     true,
	}
	return &Sender{policy: p, signer: s, client: &http.Client{
		Transport:     transport,
		Timeout:       Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Post sends a JSON body as the message id. It is always answered with an
// outcome: an error is one with Status 0.
func (s *Sender) Post(ctx context.Context, to, id string, body []byte) Outcome {
	if err := s.policy.Check(to); err != nil {
		return Outcome{Answer: kept(err.Error()), Refused: true}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return Outcome{Answer: kept(err.Error()), Refused: true}
	}
	now := time.Now()
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Ekiben-Webhook/1")
	if err := s.signer.sign(request.Header, id, now, body); err != nil {
		return Outcome{Answer: kept(err.Error())}
	}
	response, err := s.client.Do(request)
	if err != nil {
		// A name that is none that may be told now may be one when it is looked up
		// again; an address was refused above.
		return Outcome{Answer: kept(err.Error())}
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	o := Outcome{Status: response.StatusCode, Answer: kept(string(answer[:min(len(answer), keptAnswer)]))}
	if err != nil && len(answer) == 0 {
		o.Answer = kept(fmt.Sprintf("the answer cannot be read: %v", err))
	}
	o.RetryAfter = retryAfter(response.Header.Get("Retry-After"), now)
	return o
}

// kept is what is kept of a text.
func kept(text string) string {
	text = text[:min(len(text), keptAnswer)]
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")
}

// retryAfter reads the header of that name, seconds or a date; 0 is none.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
