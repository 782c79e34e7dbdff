// Package tcpproxy gives tests a network that fails on command: a TCP proxy that
// can lose a request, lose the answer to one, cut a connection in the middle,
// refuse, delay, and fall silent.
package tcpproxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Proxy passes connections on to a server until it is told otherwise. It is safe
// for concurrent use.
type Proxy struct {
	listener net.Listener
	upstream string

	// pumps are all goroutines that the proxy started.
	pumps sync.WaitGroup

	mu sync.Mutex
	// All that follows is guarded by mu.
	links   map[*link]bool
	traps   []*trap
	delay   time.Duration
	refuses bool
	closed  bool
	// open is closed while bytes may pass.
	open chan struct{}
}

// fate is what happens to a request that a trap catches.
type fate int

const (
	loseAnswer fate = iota
	loseRequest
	cutAnswer
	actBefore
)

// trap waits for a request.
type trap struct {
	fate   fate
	match  []byte
	after  int // bytes of the answer that pass
	act    func()
	caught chan struct{}
}

// link is one connection through the proxy.
type link struct {
	client, server net.Conn

	mu sync.Mutex
	// left is how many bytes of answers still pass; below 0 there is no limit.
	// caught is closed when they have. Guarded by mu.
	left   int
	act    func()
	caught chan struct{}
}

// Start starts a proxy to a server at host:port. It ends with the test.
func Start(tb testing.TB, upstream string) *Proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{listener: l, upstream: upstream, links: map[*link]bool{}, open: make(chan struct{})}
	close(p.open)
	p.pumps.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// Addr is the host and port that the proxy listens on.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// LoseAnswer lets the next request that contains match reach the server, drops
// the answer and cuts the connection. The channel is closed then.
func (p *Proxy) LoseAnswer(match string) <-chan struct{} {
	return p.set(&trap{fate: loseAnswer, match: []byte(match)})
}

// LoseRequest drops the next request that contains match and cuts the
// connection. The channel is closed then.
func (p *Proxy) LoseRequest(match string) <-chan struct{} {
	return p.set(&trap{fate: loseRequest, match: []byte(match)})
}

// CutAnswer cuts the connection after n bytes of the answer to the next request
// that contains match. The channel is closed then.
func (p *Proxy) CutAnswer(match string, n int) <-chan struct{} {
	return p.set(&trap{fate: cutAnswer, match: []byte(match), after: n})
}

// Before calls act when the next request that contains match has come, and then
// does what LoseRequest does: with an act that kills the client, the client dies
// before its request had an effect.
func (p *Proxy) Before(match string, act func()) <-chan struct{} {
	return p.set(&trap{fate: actBefore, match: []byte(match), act: act})
}

// After calls act when the answer to the next request that contains match has
// come, and then does what LoseAnswer does: with an act that kills the client,
// the client dies before it knows of the effect.
func (p *Proxy) After(match string, act func()) <-chan struct{} {
	return p.set(&trap{fate: loseAnswer, match: []byte(match), act: act})
}

func (p *Proxy) set(t *trap) <-chan struct{} {
	t.caught = make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.traps = append(p.traps, t)
	return t.caught
}

// Delay lets every piece of data wait for d.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Refuse cuts all connections and refuses new ones, until [Proxy.Restore].
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses = true
	for l := range p.links {
		l.cut()
	}
}

// Reset cuts all connections in a way that both ends are told of, as a crash of
// the machine in between would do. New ones are taken.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
}

// Silence keeps connections, and takes new ones, but nothing passes until
// [Proxy.Restore]: the other end of a network that went away.
func (p *Proxy) Silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		p.open = make(chan struct{})
	default:
	}
}

// Restore ends what Refuse, Silence and Delay began.
func (p *Proxy) Restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuses, p.delay = false, 0
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Restore()
	_ = p.listener.Close()
	p.mu.Lock()
	for l := range p.links {
		l.cut()
	}
	p.mu.Unlock()
	p.pumps.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.shut() {
			_ = client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.upstream)
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &link{client: client, server: server, left: -1}
		if !p.add(l) {
			l.cut()
			continue
		}
		p.pumps.Go(func() { p.pump(l, client, server, p.request) })
		p.pumps.Go(func() { p.pump(l, server, client, answer) })
	}
}

func (p *Proxy) shut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refuses || p.closed
}

func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuses || p.closed {
		return false
	}
	p.links[l] = true
	return true
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (l *link) cut() {
	_ = l.client.Close()
	_ = l.server.Close()
}

// reset is cut with RST: what was not read yet is lost.
func (l *link) reset() {
	for _, conn := range []net.Conn{l.client, l.server} {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	l.cut()
}

// errCut ends a pump on purpose.
var errCut = errors.New("cut")

// pump copies from one end to the other. pass says how much of what came goes
// on, and an error if that was the last.
func (p *Proxy) pump(l *link, from io.Reader, to io.Writer, pass func(*link, []byte) (int, error)) {
	defer p.remove(l)
	defer l.cut()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.hold()
			m, last := pass(l, buf[:n])
			if _, err := to.Write(buf[:m]); err != nil || last != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// hold waits while nothing may pass.
func (p *Proxy) hold() {
	p.mu.Lock()
	open, delay := p.open, p.delay
	p.mu.Unlock()
	<-open
	if delay > 0 {
		<-time.After(delay)
	}
}

// request looks whether a trap waits for what a client sent.
func (p *Proxy) request(l *link, data []byte) (int, error) {
	t := p.spring(data)
	if t == nil {
		return len(data), nil
	}
	if t.fate == loseRequest || t.fate == actBefore {
		if t.act != nil {
			t.act()
		}
		close(t.caught)
		return 0, errCut
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left, l.act, l.caught = t.after, t.act, t.caught
	return len(data), nil
}

// spring takes the first trap that waits for the data, or nil.
func (p *Proxy) spring(data []byte) *trap {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, t := range p.traps {
		if bytes.Contains(data, t.match) {
			p.traps = append(p.traps[:i:i], p.traps[i+1:]...)
			return t
		}
	}
	return nil
}

// answer counts what a server sent.
func answer(l *link, data []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left < 0 || len(data) < l.left {
		if l.left > 0 {
			l.left -= len(data)
		}
		return len(data), nil
	}
	if l.act != nil {
		l.act()
	}
	close(l.caught)
	return l.left, errCut
}
