package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/ekiben/ekiben/internal/processes"
	"github.com/ekiben/ekiben/internal/redistest"
	"github.com/ekiben/ekiben/queue"
)

// cluster is a Redis with gateways and workers around it, each a process.
type cluster struct {
	t      *testing.T
	redis  *redistest.Server
	config string
	queue  *queue.Queue // looks from outside
	env    []string
	binary func() (string, error)
}

// newCluster starts a Redis and prepares the rest. runners is the content of
// ekiben.yaml.
func newCluster(t *testing.T, runners string, env ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, redis: redistest.Start(t), config: filepath.Join(t.TempDir(), "ekiben.yaml"), binary: stock}
	if err := os.WriteFile(c.config, []byte(runners), 0o600); err != nil {
		t.Fatal(err)
	}
	c.env = append([]string{"EKIBEN_REDIS_URL=" + c.redis.URL, "EKIBEN_CONFIG=" + c.config}, env...)
	q := queue.DefaultConfig()
	q.URL = c.redis.URL
	var err error
	if c.queue, err = queue.Open(q); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.queue.Close() })
	return c
}

// gateway starts a gateway and returns it with its address.
func (c *cluster) gateway(env ...string) (*processes.Process, string) {
	c.t.Helper()
	addr := processes.FreeAddr(c.t)
	p := launch(c.t, append(append(c.env, "EKIBEN_HTTP_ADDR="+addr), env...), processes.Binary(c.t, c.binary), "gateway")
	ready(c.t, addr)
	return p, "http://" + addr
}

// worker starts a worker and returns it with the address of its metrics.
func (c *cluster) worker(env ...string) (*processes.Process, string) {
	c.t.Helper()
	addr := processes.FreeAddr(c.t)
	p := launch(c.t, append(append(c.env, "EKIBEN_OPS_ADDR="+addr), env...), processes.Binary(c.t, c.binary), "worker")
	ready(c.t, addr)
	return p, "http://" + addr
}

func (c *cluster) stats(runner string) queue.Stats {
	c.t.Helper()
	s, err := c.queue.Stats(c.t.Context(), runner)
	if err != nil {
		c.t.Fatal(err)
	}
	return s[0]
}

// rest waits until nothing is queued or running, and checks that nothing is
// counted either.
func (c *cluster) rest(runner string) {
	c.t.Helper()
	processes.Eventually(c.t, "the queue is empty", func() bool { return c.stats(runner).Depth == 0 })
	if s := c.stats(runner); s.Bytes != 0 || s.Waiting != 0 || s.WaitingRows != 0 {
		c.t.Errorf("at rest: %+v; want bytes, calls and rows 0", s)
	}
}

// metric sums the samples of a metric whose labels match.
func metric(t *testing.T, base, name, labels string) float64 {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^`+name+`(?:\{[^}]*`+labels+`[^}]*\})? (\S+)$`).FindAllStringSubmatch(get(t, base+"/metrics").body, -1)
	sum := 0.0
	for _, l := range lines {
		v, err := strconv.ParseFloat(l[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	return sum
}
