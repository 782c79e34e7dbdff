package gateway

import (
	"cmp"
	"context"
	cryptorand "crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekiben/ekiben/queue"
	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

// A service is run as a job by way of a runner of its own, service.<name>, with a
// method for each route. Gateways that have the service serve that runner as a
// worker does: leases, deadlines, cancellation and draining are those of every
// call. See [Deps.Background].

// background runs runnables in this process, as a worker does.
type background = func(kinds runnables.Kinds, runners []runnables.Runner, metrics prometheus.Registerer) (run func(context.Context) error, err error)

// isService reports whether a runner is that of a service. Clients do not call
// such a runner by its name.
func isService(runner string) bool { return strings.HasPrefix(runner, runnables.ReservedPrefix) }

// validateServices reports names that cannot be those of runners, and those that
// are there twice.
func validateServices(services []Service) error {
	var errs []error
	seen := map[string]bool{}
	for _, s := range services {
		if err := runnables.ValidName(runnables.ReservedPrefix + s.Name); err != nil || s.Name == "" {
			errs = append(errs, fmt.Errorf("service %q: %w", s.Name, cmp.Or(err, errors.New("it has no name"))))
		}
		if seen[s.Name] {
			errs = append(errs, fmt.Errorf("service %q is there twice", s.Name))
		}
		seen[s.Name] = true
	}
	return errors.Join(errs...)
}

// serviceMethods makes the methods of a service, in the order of its APIs.
func (r *roster) serviceMethods(s Service) ([]*method, error) {
	defaults := runnables.DefaultRunner()
	spec := runnables.Spec{
		Runner: runnables.ReservedPrefix + s.Name, Runnable: "service",
		MaxQueue: defaults.MaxQueue, MaxQueueBytes: defaults.MaxQueueBytes, FromZero: true,
	}
	for _, api := range s.APIs {
		spec.Methods = append(spec.Methods, runnables.MethodSpec{Signature: serviceSignature(api.Route)})
	}
	raw, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", s.Name, err)
	}
	found, err := newRunner(raw, r.newWatch(spec.Runner))
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", s.Name, err)
	}
	methods := make([]*method, len(s.APIs))
	for i, m := range spec.Methods {
		methods[i] = found.methods[m.Name]
	}
	return methods, nil
}

// serviceSignature is what a route of a service is as a method of a runner:
//
//	body           what the client sent
//	content_type   and how it called that
//	caller, trace  whose request it is, and of what it is a part
//
//	answer         what the function returned, encoded
//	media          and its media type: JSON, text or octets
func serviceSignature(route string) runnables.Signature {
	value := func(name string, content runnables.Content) runnables.ValueSpec {
		return runnables.ValueSpec{Name: name, DType: tensor.Bytes, Shape: []int{}, Content: content}
	}
	return runnables.Signature{
		Name: methodOfRoute(route),
		Inputs: []runnables.ValueSpec{
			value("body", runnables.Opaque), value("content_type", runnables.Text), value("caller", runnables.Text), value("trace", runnables.Text),
		},
		Outputs: []runnables.ValueSpec{value("answer", runnables.Opaque), value("media", runnables.Text)},
	}
}

// methodOfRoute is the name of a route as that of a method: /analysis is analysis,
// /text/long is text.long. Where that cannot be a method's name it ends in a hash
// of the route.
func methodOfRoute(route string) string {
	name := strings.ReplaceAll(strings.TrimPrefix(route, "/"), "/", ".")
	if runnables.ValidName(name) == nil && !strings.Contains(route[1:], ".") {
		return name
	}
	plain := strings.Map(func(c rune) rune {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			return c
		}
		return '-'
	}, strings.ToLower(name))
	sum := sha256.Sum256([]byte(route))
	return strings.Trim(plain[:min(len(plain), 40)], "-") + "-" + hex.EncodeToString(sum[:6])
}

// backstage prepares what runs the jobs of the services; g.serveJobs is nil if
// nothing does.
func (g *Gateway) backstage() error {
	if g.deps.Background == nil || len(g.deps.Services) == 0 {
		return nil
	}
	kinds := runnables.Kinds{}
	var runners []runnables.Runner
	for _, s := range g.deps.Services {
		if len(s.APIs) == 0 {
			continue
		}
		name := runnables.ReservedPrefix + s.Name
		kinds[name] = runnables.Kind{New: func(context.Context, runnables.Setup) (runnables.Runnable, error) { return stage{g, s}, nil }}
		runners = append(runners, runnables.Runner{
			Name: name, Runnable: name, Replicas: g.config.ServiceConcurrency, Batching: runnables.BatchNone, FromZero: true,
		})
	}
	var err error
	g.serveJobs, err = g.deps.Background(kinds, runners, g.jobMetrics)
	return err
}

// stage is a service as a runnable.
type stage struct {
	gateway *Gateway
	service Service
}

// Methods are the routes.
func (s stage) Methods() []runnables.Method {
	methods := make([]runnables.Method, len(s.service.APIs))
	for i, api := range s.service.APIs {
		methods[i] = runnables.Method{
			Signature: serviceSignature(api.Route),
			Run: func(ctx context.Context, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
				return s.gateway.perform(ctx, api, inputs)
			},
		}
	}
	return methods
}

// Close frees nothing.
func (stage) Close() error { return nil }

// perform runs the function of a route for a job.
func (g *Gateway) perform(ctx context.Context, api API, inputs []tensor.Tensor) ([]tensor.Tensor, error) {
	values := make([]string, len(inputs))
	for i, in := range inputs {
		values[i] = in.Strings()[0]
	}
	ctx = context.WithValue(ctx, originKey{}, origin{caller: values[2], trace: values[3]})
	out, err := api.handle(ctx, g.client, values[1], []byte(values[0]))
	if err != nil {
		return nil, g.failure(ctx, api, err)
	}
	media := answerTypes(api.out)[0]
	raw, err := encodeAnswer(media, reflect.ValueOf(out))
	if err != nil {
		return nil, g.failure(ctx, api, err)
	}
	return scalars(string(raw), media)
}

// scalars are texts as BYTES without dimensions.
func scalars(texts ...string) ([]tensor.Tensor, error) {
	ts := make([]tensor.Tensor, len(texts))
	for i, text := range texts {
		var err error
		if ts[i], err = tensor.OfStrings([]int{}, []string{text}); err != nil {
			return nil, err
		}
	}
	return ts, nil
}

// failure is what a job tells of an error of its function: what a request would
// have been told. An error that comes of the job's own end is left as it is.
func (g *Gateway) failure(ctx context.Context, api API, err error) error {
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	p := problemOf(ctx, err)
	if p.Code == CodeInternal {
		id := cryptorand.Text()
		g.log.ErrorContext(ctx, "a service's job failed", "error_id", id, "route", api.Route, "err", err)
		return fmt.Errorf("internal error, %s in the log", id)
	}
	told := errors.New(p.Error())
	switch p.Code.Status() {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return runnables.InputErrorf("%s", p.Detail)
	}
	if p.Retryable {
		return runnables.Retryable(told)
	}
	return told
}

// submitService makes a job of a request to a service, or reports that the client
// has not asked for one.
func (g *Gateway) submitService(r *request, api API, m *method) (taken bool, err error) {
	header := r.Request().Header
	key, err := idempotencyKeyOf(header)
	if err != nil {
		return true, err
	}
	asks, err := askedOf(header, g.config.MaxTimeout)
	if err != nil {
		return true, err
	}
	w := wanted{method: m, prefer: preferencesOf(header)}
	w.async = w.prefer.job() || asks.later.asked()
	if key == "" && !w.async {
		return false, nil
	}
	if err := g.wantedOfService(r, api, &w, asks, key != ""); err != nil {
		return true, err
	}
	if key != "" {
		return true, g.runOnce(r, w, key)
	}
	return true, g.submit(r, w)
}

// wantedOfService reads what a client sent for a service.
func (g *Gateway) wantedOfService(r *request, api API, w *wanted, asks asked, named bool) error {
	ctx, contentType := r.Request().Context(), r.Request().Header.Get("Content-Type")
	b, err := g.body(r)
	if err != nil {
		return err
	}
	if err := decodeBody(reflect.New(api.in).Elem(), contentType, b.bytes()); err != nil {
		return err
	}
	if named {
		w.digest = digestOf(w.method.runner.spec.Runner, w.method.Name, contentType, b.bytes())
	}
	body, err := b.element([]int{})
	if err != nil {
		return err
	}
	from := r.origin()
	rest, err := scalars(contentType, from.caller, from.trace)
	if err != nil {
		return err
	}
	var inputs []tensor.Named
	for i, t := range append([]tensor.Tensor{body}, rest...) {
		inputs = append(inputs, tensor.Named{Name: w.method.Inputs[i].Name, Tensor: t})
	}
	if w.call, err = g.calls.call(ctx, w.method, inputs, from); err != nil {
		return err
	}
	asks.set(&w.call)
	return g.postpone(ctx, &asks.later, &w.call, w.method.runner.spec.Retry.Policy())
}

// errAnswer means that the reply of a service's job is none.
var errAnswer = errors.New("the answer of a service cannot be read")

// serviceAnswer is what a service's job answered, and its media type.
func serviceAnswer(reply queue.Reply) (raw []byte, media string, err error) {
	if len(reply.Outputs) != 2 {
		return nil, "", fmt.Errorf("%w: %d outputs", errAnswer, len(reply.Outputs))
	}
	answer, kind := reply.Outputs[0].Tensor, reply.Outputs[1].Tensor
	if answer.DType() != tensor.Bytes || answer.Len() != 1 || kind.DType() != tensor.Bytes || kind.Len() != 1 {
		return nil, "", fmt.Errorf("%w: its outputs are of another kind", errAnswer)
	}
	media = kind.Strings()[0]
	if !slices.Contains([]string{mediaJSON, mediaText, mediaOctets}, media) {
		return nil, "", fmt.Errorf("%w: media type %q", errAnswer, media)
	}
	return answer.Data()[headroom:], media, nil // behind its length
}

// replyOfService answers with what a service's job answered.
func (g *Gateway) replyOfService(r *request, reply queue.Reply) error {
	raw, media, err := serviceAnswer(reply)
	if err != nil {
		return err
	}
	offers := []string{media}
	if media == mediaText {
		offers = []string{mediaText, mediaJSON}
	}
	chosen, err := chooseMedia(r, offers)
	if err != nil {
		return err
	}
	if media == mediaText && chosen == mediaJSON {
		if raw, err = marshal(string(raw)); err != nil {
			return err
		}
	}
	r.Response().Header().Set("Server-Timing", serverTiming(reply.Timing))
	return g.sendAnswer(r, chosen, raw)
}

// jsonOfService is the answer of a service's job as JSON: octets in base64.
func jsonOfService(reply queue.Reply) ([]byte, error) {
	raw, media, err := serviceAnswer(reply)
	switch {
	case err != nil:
		return nil, err
	case media == mediaText:
		return marshal(string(raw))
	case media == mediaOctets:
		return marshal(raw)
	}
	return raw, nil
}
