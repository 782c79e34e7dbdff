package ekiben

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"github.com/ekiben/ekiben/internal/webhook"
	"github.com/ekiben/ekiben/queue/tasks"
)

// background is what a process does that has time. Each part runs until its
// context is done.
type background struct {
	parts []func(ctx context.Context) error
}

// makeBackground makes what runs in the background. The gateway of the process is
// there already: it knows the runners, and takes jobs in.
func (p *process) makeBackground() error {
	server, err := p.newTasks()
	if err != nil {
		return err
	}
	schedules, err := p.newSchedules()
	if err != nil {
		return err
	}
	batches, err := p.newBatches()
	if err != nil {
		return err
	}
	p.background = &background{parts: []func(context.Context) error{server.Run, schedules, batches}}
	return nil
}

// newTasks makes the server of webhooks and of jobs whose time is far ahead.
func (p *process) newTasks() (*tasks.Server, error) {
	c := p.settings.queueConfig()
	d := tasks.Deps{
		URL: c.URL, Prefix: c.Prefix, Errands: p.queue, Hooks: p.queue, View: p.gateway.Calls().JobJSON,
		Registry: p.registry, Log: p.log,
	}
	if p.hooks.signer != nil {
		d.Sender = webhook.NewSender(p.hooks.policy, p.hooks.signer, webhook.Options{})
	}
	return tasks.New(p.settings.Tasks, d)
}

// run runs all parts.
func (b *background) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range b.parts {
		g.Go(func() error { return part(ctx) })
	}
	return g.Wait()
}

// webhooks are how jobs tell that they have ended. Without a secret there is no
// signer, and no job with a webhook is taken.
type webhooks struct {
	policy *webhook.Policy
	signer *webhook.Signer
}

// webhooks reads the settings of webhooks.
func (s Settings) webhooks() (webhooks, error) {
	var w webhooks
	var errs []error
	policy, err := webhook.NewPolicy(s.WebhookAllow)
	if err != nil {
		errs = append(errs, fmt.Errorf("EKIBEN_WEBHOOK_ALLOW: %w", err))
	}
	w.policy = policy
	if s.WebhookSecret != "" {
		if w.signer, err = webhook.NewSigner(string(s.WebhookSecret)); err != nil {
			errs = append(errs, fmt.Errorf("EKIBEN_WEBHOOK_SECRET: %w", err))
		}
	}
	return w, errors.Join(errs...)
}

// check says why a URL may not be told; it is nil where none may.
func (w webhooks) check() func(url string) error {
	if w.signer == nil {
		return nil
	}
	return w.policy.Check
}

// opsOfTasks serves health and metrics of a process that is only of tasks.
func (p *process) opsOfTasks() http.Handler {
	mux := http.NewServeMux()
	answer := func(rw http.ResponseWriter, status int, body any) {
		rw.Header().Set("Content-Type", "application/json")
		rw.Header().Set("Cache-Control", "no-store")
		rw.WriteHeader(status)
		_ = json.NewEncoder(rw).Encode(body) // whoever asked has gone: nothing to do
	}
	mux.HandleFunc("GET /livez", func(rw http.ResponseWriter, _ *http.Request) {
		answer(rw, http.StatusOK, map[string]bool{"alive": true})
	})
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTime)
		defer cancel()
		if err := p.queue.Ping(ctx); err != nil {
			answer(rw, http.StatusServiceUnavailable, map[string]any{"ready": false, "redis": err.Error()})
			return
		}
		answer(rw, http.StatusOK, map[string]bool{"ready": true})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.registry, promhttp.HandlerOpts{}))
	return mux
}

// readyTime bounds the question whether Redis answers.
const readyTime = 2 * time.Second
