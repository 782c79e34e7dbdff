package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/ekiben/ekiben/queue"
)

// A client may name a call itself: by the id of a PUT, or by an Idempotency-Key.
// The name belongs to the caller and is bound to the call before that is queued.
// Whoever comes with the same name and the same call again gets the same job.

const (
	headerKey = "Idempotency-Key"

	// maxKey and maxClientID are the longest names, in bytes.
	maxKey      = 255
	maxClientID = 128

	// aliasSlack is how much longer a name is known than the record of its job
	// can be.
	aliasSlack = time.Minute

	// expiryGrace is how much later than its deadline a job that was not run in
	// time may be found expired.
	expiryGrace = 2 * time.Second
)

// Kinds of names, which are apart from each other.
func aliasOfID(id string) string   { return "put:" + id }
func aliasOfKey(key string) string { return "key:" + key }

// validClientID reports whether a client may choose this id: 1 to 128 of
// A-Z a-z 0-9 . _ ~ -
func validClientID(id string) bool {
	return id != "" && len(id) <= maxClientID && strings.IndexFunc(id, notInClientID) < 0
}

func notInClientID(c rune) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return false
	}
	return !strings.ContainsRune("._~-", c)
}

// idempotencyKeyOf reads the header, as it is or as a quoted string; "" if it is
// not there.
func idempotencyKeyOf(h http.Header) (string, error) {
	value, err := oneHeader(h, headerKey)
	if value == "" {
		return "", err
	}
	key := unquote(value)
	halfQuoted := value[0] == '"' && key == value
	if halfQuoted || key == "" || len(key) > maxKey || strings.IndexFunc(key, func(c rune) bool { return c <= ' ' || c > '~' }) >= 0 {
		return "", &Problem{
			Code:   CodeInvalidInput,
			Detail: fmt.Sprintf("%s is %s, want 1 to %d visible ASCII characters, in quotes or not", headerKey, quote(value), maxKey),
		}
	}
	return key, nil
}

// digestOf is the same for two calls that are the same, whatever time and
// priority they ask for.
func digestOf(runner, method, contentType string, body []byte) string {
	sum := sha256.New()
	for _, part := range [][]byte{[]byte(runner), []byte(method), []byte(contentType), body} {
		_ = binary.Write(sum, binary.BigEndian, uint64(len(part))) // a hash takes everything
		_, _ = sum.Write(part)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// putJob answers PUT /v1/jobs/{id}?runner=…&method=….
func (g *Gateway) putJob(r *request) error {
	id := r.param("id")
	if !validClientID(id) {
		return &Problem{
			Code:   CodeInvalidInput,
			Detail: fmt.Sprintf("the job's id is %s, want 1 to %d of the characters A-Z a-z 0-9 . _ ~ -", quote(id), maxClientID),
		}
	}
	query, err := queryOf(r.Request().URL.RawQuery, "runner", "method")
	if err != nil {
		return err
	}
	if query["runner"] == "" || query["method"] == "" {
		return &Problem{Code: CodeInvalidInput, Detail: "say what to run: PUT /v1/jobs/{id}?runner=RUNNER&method=METHOD"}
	}
	m, err := g.calls.method(r.Request().Context(), query["runner"], query["method"])
	if err != nil {
		return err
	}
	r.runner = m.runner
	w, err := g.wanted(r, m, true)
	if err != nil {
		return err
	}
	job, _, err := g.submitOnce(r, &w, aliasOfID(id))
	if err != nil {
		return err
	}
	g.accepted(r, job, w.prefer)
	job = g.await(r, job, w.prefer.wait)
	switch {
	case !job.State.Terminal():
		return g.pending(r, job, id)
	case w.prefer.waits:
		return g.outcome(r, m, job, w.form)
	}
	r.Response().Header()["Cache-Control"] = g.headers.noStore
	return r.JSON(http.StatusOK, g.roster.viewOf(job, id))
}

// runOnce runs a call that has an Idempotency-Key as a job. Who sends it first
// waits for the result as for that of any call; who sends it again gets what has
// become of it so far.
func (g *Gateway) runOnce(r *request, w wanted, key string) error {
	if !w.async {
		w.call.Admission.NeedWorker = !w.method.runner.spec.FromZero
		if err := w.method.runner.enter(); err != nil {
			return err
		}
		defer w.method.runner.leave()
	}
	job, first, err := g.submitOnce(r, &w, aliasOfKey(key))
	if err != nil {
		return err
	}
	g.accepted(r, job, w.prefer)
	wait := w.prefer.wait
	if first && !w.async {
		wait = w.call.Timeout + expiryGrace
	}
	job = g.await(r, job, wait)
	if job.State.Terminal() {
		return g.outcome(r, w.method, job, w.form)
	}
	return g.pending(r, job, "")
}

// submitOnce makes a job of a call under a name of its client, unless there is
// one; first is whether there was none. A call that was refused, or whose
// gateway died before it was accepted, has a name and no job yet.
func (g *Gateway) submitOnce(r *request, w *wanted, name string) (job queue.Job, first bool, err error) {
	ctx := r.Request().Context()
	known := lasts(&w.call) + g.deps.Keeper.Retention() + aliasSlack
	id, err := g.deps.Keeper.Claim(ctx, queue.Alias{Caller: r.origin().caller, Key: name}, w.digest, w.call.ID, known)
	if err != nil {
		return queue.Job{}, false, err
	}
	if id != w.call.ID {
		if job, err = g.deps.Jobs.Job(ctx, id); !errors.Is(err, queue.ErrUnknownJob) {
			return job, false, err
		}
		w.call.ID = id
	}
	job, err = g.deps.Producer.Submit(ctx, w.call)
	return job, true, err
}

// resolve finds the queue's id of the job that the path names by that, or by the
// id that its client chose; chosen is the latter, or "".
func (g *Gateway) resolve(ctx context.Context, r *request) (id, chosen string, err error) {
	named := r.param("id")
	if !validClientID(named) {
		return named, "", nil
	}
	id, err = g.deps.Keeper.Resolve(ctx, queue.Alias{Caller: r.origin().caller, Key: aliasOfID(named)})
	switch {
	case err == nil:
		chosen = named
	case errors.Is(err, queue.ErrUnknownJob):
		id, err = named, nil
	}
	if runner, unknown := queue.RunnerOf(id); unknown == nil {
		r.runner = g.roster.runners()[runner]
	}
	return id, chosen, err
}
