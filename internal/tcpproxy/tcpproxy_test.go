package tcpproxy_test

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/tcpproxy"
)

// upper answers every line with itself, and tells what it got.
func upper(t *testing.T) (addr string, got <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	lines := make(chan string, 16)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				for s := bufio.NewScanner(conn); s.Scan(); {
					lines <- s.Text()
					_, _ = io.WriteString(conn, s.Text()+"\n")
				}
			}()
		}
	}()
	return l.Addr().String(), lines
}

type client struct {
	net.Conn

	lines *bufio.Reader
}

func dial(t *testing.T, p *tcpproxy.Proxy) client {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return client{conn, bufio.NewReader(conn)}
}

// say sends a line and returns what comes back within d.
func (c client) say(line string, d time.Duration) (string, error) {
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	_ = c.SetReadDeadline(time.Now().Add(d))
	return c.lines.ReadString('\n')
}

const long, short = 10 * time.Second, 50 * time.Millisecond

func TestBytesPass(t *testing.T) {
	t.Parallel()

	addr, _ := upper(t)
	c := dial(t, tcpproxy.Start(t, addr))
	for range 3 {
		if s, err := c.say("hello", long); s != "hello\n" {
			t.Errorf("got %q, %v", s, err)
		}
	}
}

func TestAnswerIsLostAfterTheServerGotTheRequest(t *testing.T) {
	t.Parallel()

	addr, got := upper(t)
	p := tcpproxy.Start(t, addr)
	caught := p.LoseAnswer("two")
	c := dial(t, p)
	if s, _ := c.say("one", long); s != "one\n" {
		t.Errorf("got %q", s)
	}
	if s, err := c.say("two", long); s != "" || err == nil {
		t.Errorf("got %q, want a cut connection", s)
	}
	<-caught
	if <-got != "one" || <-got != "two" {
		t.Error("the server did not get the request")
	}
	if s, _ := dial(t, p).say("two", long); s != "two\n" {
		t.Errorf("the second time: got %q", s)
	}
}

func TestRequestIsLost(t *testing.T) {
	t.Parallel()

	addr, got := upper(t)
	p := tcpproxy.Start(t, addr)
	caught := p.LoseRequest("two")
	if s, err := dial(t, p).say("two", long); s != "" || err == nil {
		t.Errorf("got %q, want a cut connection", s)
	}
	<-caught
	if len(got) > 0 {
		t.Errorf("the server got %q", <-got)
	}
}

func TestAnswerIsCutInTheMiddle(t *testing.T) {
	t.Parallel()

	addr, _ := upper(t)
	p := tcpproxy.Start(t, addr)
	caught := p.CutAnswer("hello", 3)
	if s, err := dial(t, p).say("hello", long); s != "hel" || err == nil {
		t.Errorf("got %q, %v; want three bytes and a cut", s, err)
	}
	<-caught
}

func TestActsHappenBeforeAndAfterTheEffect(t *testing.T) {
	t.Parallel()

	addr, got := upper(t)
	p := tcpproxy.Start(t, addr)
	acted := 0
	caught := p.Before("one", func() { acted = 1 })
	if s, err := dial(t, p).say("one", long); s != "" || err == nil {
		t.Errorf("got %q, want a cut connection", s)
	}
	<-caught
	if acted != 1 || len(got) > 0 {
		t.Errorf("acted %d, and the server got %d requests; want 1 and none", acted, len(got))
	}
	caught = p.After("two", func() { acted = 2 + len(got) })
	if s, err := dial(t, p).say("two", long); s != "" || err == nil {
		t.Errorf("got %q, want a cut connection", s)
	}
	<-caught
	if acted != 3 {
		t.Errorf("acted %d, want 3: after the server got the request", acted)
	}
}

func TestConnectionsAreReset(t *testing.T) {
	t.Parallel()

	addr, _ := upper(t)
	p := tcpproxy.Start(t, addr)
	c := dial(t, p)
	if _, err := c.say("hello", long); err != nil {
		t.Fatal(err)
	}
	p.Reset()
	if s, err := c.say("hello", long); err == nil {
		t.Errorf("got %q on an old connection", s)
	}
	if s, err := dial(t, p).say("hello", long); err != nil {
		t.Errorf("got %q, %v on a new connection", s, err)
	}
}

func TestConnectionsAreRefused(t *testing.T) {
	t.Parallel()

	addr, _ := upper(t)
	p := tcpproxy.Start(t, addr)
	c := dial(t, p)
	if _, err := c.say("hello", long); err != nil {
		t.Fatal(err)
	}
	p.Refuse()
	if s, err := c.say("hello", long); err == nil {
		t.Errorf("got %q on an old connection", s)
	}
	if s, err := dial(t, p).say("hello", long); err == nil {
		t.Errorf("got %q on a new connection", s)
	}
	p.Restore()
	if s, err := dial(t, p).say("hello", long); err != nil {
		t.Errorf("got %q, %v after the end", s, err)
	}
}

func TestSilenceEnds(t *testing.T) {
	t.Parallel()

	addr, _ := upper(t)
	p := tcpproxy.Start(t, addr)
	c := dial(t, p)
	p.Silence()
	if s, err := c.say("hello", short); err == nil {
		t.Errorf("got %q in silence", s)
	}
	p.Restore()
	_ = c.SetReadDeadline(time.Now().Add(long))
	if s, err := c.lines.ReadString('\n'); s != "hello\n" {
		t.Errorf("got %q, %v after the silence", s, err)
	}
}

func TestDelayDelays(t *testing.T) {
	t.Parallel()

	addr, _ := upper(t)
	p := tcpproxy.Start(t, addr)
	p.Delay(short)
	began := time.Now()
	if s, err := dial(t, p).say("hello", long); s != "hello\n" || time.Since(began) < 2*short {
		t.Errorf("got %q, %v after %s; want it after %s", s, err, time.Since(began), 2*short)
	}
}
