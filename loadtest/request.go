package loadtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Kind is one kind of request of a run.
type Kind struct {
	// Name tells the kind apart in the report.
	Name string

	// Weight is its share of the mix, relative to the other kinds.
	Weight int

	Method string

	// Path with its query, beginning with a slash.
	Path string

	Header http.Header
	Body   []byte
}

// Request is a kind of request made ready for one target. It is not changed
// once it is made, and is sent many times.
type Request struct {
	Kind   string
	Method string
	URL    *url.URL
	Header http.Header
	Body   []byte

	// wire is the whole request as it stands on the wire in HTTP/1.1.
	wire []byte
}

// NewRequest makes a kind ready for target, the base URL of a server such as
// http://127.0.0.1:3000. The error says which of the two cannot be used.
func NewRequest(target string, kind Kind) (*Request, error) {
	base, err := ParseTarget(target)
	if err != nil {
		return nil, err
	}
	full, err := url.Parse(strings.TrimSuffix(base.String(), "/") + kind.Path)
	if err != nil {
		return nil, fmt.Errorf("path %q: %w", kind.Path, err)
	}
	r := &Request{Kind: kind.Name, Method: kind.Method, URL: full, Header: kind.Header.Clone(), Body: kind.Body}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.wire, err = r.encode()
	return r, err
}

// ParseTarget reads the base URL of a server: http or https, with a host.
func ParseTarget(target string) (*url.URL, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("target %q: %w", target, err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("target %q: want http://host:port", target)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("target %q: a query or fragment belongs to the path of a request", target)
	}
	return u, nil
}

// encode writes the request once, so that sending it is a single write.
func (r *Request) encode() ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.URL.RequestURI(), r.URL.Host)
	if len(r.Body) > 0 || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		b.WriteString("Content-Length: " + strconv.Itoa(len(r.Body)) + "\r\n")
	}
	if err := r.Header.Write(&b); err != nil {
		return nil, fmt.Errorf("headers of %s: %w", r.Kind, err)
	}
	b.WriteString("\r\n")
	b.Write(r.Body)
	return b.Bytes(), nil
}

// mix chooses the request to send: targets in turn, kinds at random by weight.
// It belongs to one goroutine.
type mix struct {
	requests [][]*Request // by target, then by kind
	upTo     []int        // cumulative weights of the kinds
	random   *rand.Rand
	turn     int
}

func newMix(targets []string, kinds []Kind, seed uint64) (*mix, error) {
	m := &mix{random: rand.New(rand.NewPCG(seed, 1))}
	total := 0
	for _, k := range kinds {
		total += k.Weight
		m.upTo = append(m.upTo, total)
	}
	for _, target := range targets {
		var row []*Request
		for _, k := range kinds {
			r, err := NewRequest(target, k)
			if err != nil {
				return nil, err
			}
			row = append(row, r)
		}
		m.requests = append(m.requests, row)
	}
	return m, nil
}

// fork makes a mix of the same requests for another goroutine, which begins
// with another target and has random choices of its own.
func (m *mix) fork(n int) *mix {
	return &mix{requests: m.requests, upTo: m.upTo, turn: n, random: rand.New(rand.NewPCG(m.random.Uint64(), 1))}
}

func (m *mix) next() *Request {
	row := m.requests[m.turn%len(m.requests)]
	m.turn++
	if len(row) == 1 {
		return row[0]
	}
	draw := m.random.IntN(m.upTo[len(m.upTo)-1])
	for i, upTo := range m.upTo {
		if draw < upTo {
			return row[i]
		}
	}
	return row[len(row)-1]
}
