package e2e_test

import (
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"

	"github.com/ekiben/ekiben/internal/processes"
	"github.com/ekiben/ekiben/queue"
)

// A real Procfile runner starts what the Procfile says, and more of a kind.
func TestProcfileRunsTheWholeSystem(t *testing.T) {
	t.Parallel()

	foreman, err := exec.LookPath("foreman")
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") == "" {
		t.Skip("no foreman on PATH")
	}
	if err != nil {
		t.Fatal(err)
	}
	// The Procfile runs bin/ekiben and reads deploy/runners.yaml.
	dir := t.TempDir()
	for link, to := range map[string]string{
		"Procfile": filepath.Join(root, "Procfile"), "deploy": filepath.Join(root, "deploy"), "bin/ekiben": processes.Binary(t, stock),
	} {
		to, err := filepath.Abs(to)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, filepath.Dir(link)), 0o700), os.Symlink(to, filepath.Join(dir, link))); err != nil {
			t.Fatal(err)
		}
	}
	redis, http1 := processes.FreeAddr(t), processes.FreeAddr(t)
	_, port, _ := net.SplitHostPort(redis)
	p := launch(t, []string{
		"REDIS_PORT=" + port, "REDIS_DIR=" + dir, "EKIBEN_REDIS_URL=redis://" + redis, "EKIBEN_HTTP_ADDR=" + http1,
	}, foreman, "start", "-d", dir, "-f", filepath.Join(dir, "Procfile"), "-m", "all=1,worker=3")
	ready(t, http1)

	c := queue.DefaultConfig()
	c.URL = "redis://" + redis
	q, err := queue.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = q.Close() }()
	processes.Eventually(t, "three workers of one kind and one of the other are there", func() bool {
		s, err := q.Stats(t.Context(), "sentiment", "echo")
		return err == nil && s[0].Workers == 3 && s[1].Workers == 1
	})
	base := "http://" + http1
	processes.Eventually(t, "both runners have been announced", func() bool {
		return get(t, base+"/v1/runners/sentiment").status == http.StatusOK && get(t, base+"/v1/runners/echo").status == http.StatusOK
	})
	if a := post(t, base+"/v1/runners/sentiment/is_positive", "good", "Content-Type", "text/plain"); a.body != "true" {
		t.Errorf("is_positive answers %d %s", a.status, a.body)
	}
	if a := post(t, base+"/v1/runners/echo/run", "hello", "Content-Type", "application/octet-stream", "Accept", "application/octet-stream"); a.status != http.StatusOK || a.body != "hello" {
		t.Errorf("echo answers %d %s", a.status, a.body)
	}
	_ = p.Stop()
}

// docker-compose.yml is loaded by the library that Docker Compose is made of,
// and says what the README says of it.
func TestComposeFileIsValid(t *testing.T) {
	t.Parallel()

	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithName("ekiben"))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"redis", "gateway", "worker", "tasks", "echo"} {
		if _, err := project.GetService(name); err != nil {
			t.Errorf("service %s: %v", name, err)
		}
	}
	worker, gateway := project.Services["worker"], project.Services["gateway"]
	if worker.ContainerName != "" || len(worker.Ports) > 0 {
		t.Error("the worker has a fixed name or port, so that --scale worker=3 does not work")
	}
	if len(gateway.Ports) != 1 || gateway.Ports[0].HostIP != "127.0.0.1" || gateway.Ports[0].Target != 3000 {
		t.Errorf("the gateway's ports are %+v, want 3000 on loopback", gateway.Ports)
	}
	if _, err := os.Stat(filepath.Join(root, gateway.Build.Dockerfile)); err != nil {
		t.Errorf("the gateway's Dockerfile: %v", err)
	}
	for _, v := range worker.Volumes {
		if _, err := os.Stat(v.Source); v.Type == "bind" && err != nil {
			t.Errorf("the worker's volume: %v", err)
		}
	}
}
