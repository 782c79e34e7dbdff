package chaos_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekiben/ekiben/internal/processes"
	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/internal/tcpproxy"
	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/test/chaos/history"
)

// root is the top of the repository.
const root = "../.."

// probe is the binary that all processes of a cluster are made of.
var probe = processes.Builder(root, "./test/chaos/probe")

// lease is that of all clusters: the shortest there may be.
const lease = time.Second

// setup says what a cluster consists of.
type setup struct {
	binary            func() (string, error)
	gateways, workers int
	tasks             int      // processes of tasks; if there are any, there is a receiver of webhooks and a place for batches
	proxied           bool     // a proxy between each process and Redis
	redis             []string // arguments of redis-server
	env               []string
}

// cluster is a Redis with gateways, workers and processes of tasks around it.
type cluster struct {
	t                 *testing.T
	redis             *redistest.Server
	queue             *queue.Queue // looks from outside
	gateways, workers []*slot
	tasks             []*slot
	receiver          *receiver // of webhooks; nil if there is none
	executions        string    // the file that the probes write
	record            *history.Recorder
	patience          time.Duration // with what must come to rest

	// figures are what a scenario measured, for its report. They belong to the
	// goroutine that does the harm.
	figures []string
}

// start starts a cluster and waits until it serves.
func start(t *testing.T, s setup) *cluster {
	t.Helper()
	c := &cluster{
		t: t, redis: redistest.Start(t, s.redis...), record: &history.Recorder{},
		executions: filepath.Join(t.TempDir(), "executions"), patience: usualPatience,
	}
	q := queue.DefaultConfig()
	q.URL = c.redis.URL
	var err error
	if c.queue, err = queue.Open(q); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.queue.Close() })
	if s.binary == nil {
		s.binary = probe
	}
	if s.tasks > 0 {
		c.receiver = listen(t, c.record)
		s.env = append(append(slices.Clip(s.env), c.receiver.env()...), bulkEnv(t)...)
	}
	for i := range s.gateways {
		c.gateways = append(c.gateways, c.slot(s, "gateway", i, "EKIBEN_HTTP_ADDR"))
	}
	for i := range s.workers {
		c.workers = append(c.workers, c.slot(s, "worker", i, "EKIBEN_OPS_ADDR"))
	}
	for i := range s.tasks {
		c.tasks = append(c.tasks, c.slot(s, "tasks", i, "EKIBEN_OPS_ADDR"))
	}
	c.ready()
	return c
}

// slot opens a place for a process.
func (c *cluster) slot(s setup, role string, i int, addr string) *slot {
	c.t.Helper()
	p := &slot{t: c.t, name: fmt.Sprintf("%s %d", role, i), addr: processes.FreeAddr(c.t)}
	redis := c.redis.Addr
	if s.proxied {
		p.proxy = tcpproxy.Start(c.t, redis)
		redis = p.proxy.Addr()
	}
	p.command = processes.Command{
		Program: processes.Binary(c.t, s.binary), Args: []string{role}, Dir: c.t.TempDir(), Quiet: true,
		Env: append([]string{
			"EKIBEN_REDIS_URL=redis://" + redis, addr + "=" + p.addr, "EKIBEN_LEASE=" + lease.String(),
			"EKIBEN_REQUEST_TIMEOUT=60s", "PROBE_LOG=" + c.executions,
		}, s.env...),
	}
	p.open()
	return p
}

func (c *cluster) slots() []*slot {
	return slices.Concat(c.gateways, c.workers, c.tasks)
}

// ready waits until all processes say that they are.
func (c *cluster) ready() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	for _, s := range c.slots() {
		if err := s.ready(ctx); err != nil {
			c.t.Fatal(err)
		}
	}
}

// bases are the URLs of the gateways.
func (c *cluster) bases() []string {
	var urls []string
	for _, g := range c.gateways {
		urls = append(urls, "http://"+g.addr)
	}
	return urls
}

// fault notes that something is done to the system.
func (c *cluster) fault(kind string) {
	c.record.Add(history.Event{Kind: history.Fault, Call: -1, Fault: kind})
}

// figure notes something that a scenario measured.
func (c *cluster) figure(format string, args ...any) {
	c.figures = append(c.figures, fmt.Sprintf(format, args...))
}

// stats is what the queue counts.
func (c *cluster) stats(ctx context.Context) (queue.Stats, error) {
	s, err := c.queue.Stats(ctx, "probe")
	if err != nil {
		return queue.Stats{}, err
	}
	return s[0], nil
}

// pendingScript counts what is delivered and not acknowledged, timelessScript
// the records of jobs that will never go away, and unownedScript the inputs that no
// record of a job and no dead letter has, but for those of gateways that died before
// their call was accepted.
const (
	pendingScript = `local n = 0
for _, k in ipairs(redis.call("KEYS", "*:calls:*")) do
	local p = redis.pcall("XPENDING", k, "workers")
	if not p.err then n = n + p[1] end
end
return n`
	timelessScript = `local n = 0
for _, k in ipairs(redis.call("KEYS", "*:job:*")) do
	if redis.call("PTTL", k) < 0 then n = n + 1 end
end
return n`
	unownedScript = `local n, owned = 0, {}
for _, k in ipairs(redis.call("KEYS", "*:dead")) do
	for _, letter in ipairs(redis.call("XRANGE", k, "-", "+")) do
		for i = 1, #letter[2], 2 do
			if letter[2][i] == "b" then owned[letter[2][i + 1]] = true end
		end
	end
end
for _, k in ipairs(redis.call("KEYS", "*:body:*")) do
	local shard, name = string.match(k, "^(.-}):body:(.*)$")
	local left, job = redis.call("PTTL", k), string.match(name, "^result~(.*)$")
	if not owned[name] and redis.call("HEXISTS", shard .. ":job:" .. (job or name), job and "outputs" or "body") == 0 and (left < 0 or left > 60000) then n = n + 1 end
end
return n`
)

// ask evaluates a script that returns a number.
func (c *cluster) ask(script string) int {
	c.t.Helper()
	text, err := c.redis.Do("EVAL", script, "0")
	if err != nil {
		c.t.Fatal(err)
	}
	var n int
	if _, err := fmt.Sscan(text, &n); err != nil {
		c.t.Fatalf("%q is not a number", text)
	}
	return n
}

// memory is how much Redis uses, 0 if it does not say.
func (c *cluster) memory() int64 {
	info, err := c.redis.Do("INFO", "memory")
	if err != nil {
		return 0
	}
	var n int64
	for line := range strings.Lines(info) {
		if _, err := fmt.Sscanf(line, "used_memory:%d", &n); err == nil {
			return n
		}
	}
	return 0
}
