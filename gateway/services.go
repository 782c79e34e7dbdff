package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Service is a named set of APIs: Go functions that answer HTTP requests, and
// that call runners to do it. They run in the gateway.
type Service struct {
	Name string
	APIs []API
}

// API is one route of a service. Make it with [HandleFunc].
type API struct {
	// Route is the path that is POSTed to, such as "/analysis".
	Route string

	in, out reflect.Type
	// fault is why the API cannot be served.
	fault error
	// handle answers a body of the given Content-Type. The second result is the
	// value of type out.
	handle func(ctx context.Context, c *Client, contentType string, body []byte) (any, error)
}

// HandleFunc makes an API of a function. The types say what the body and the
// answer are:
//
//	string     text in UTF-8: text/… or application/text, or a JSON string, or
//	           octets; answered as text/plain, or as JSON if Accept asks for it
//	[]byte     the body as it is, whatever its type; answered as octets
//	all else   JSON. Fields that a struct does not have, names that are there
//	           twice, and anything after the value are refused
//
// An error of the function becomes the client's problem: a *[Problem], and what
// [Client] and [Run] return, pass as they are; every other error is logged and
// "internal" to the client.
func HandleFunc[In, Out any](route string, fn func(ctx context.Context, c *Client, in In) (Out, error)) API {
	api := API{Route: route, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out]()}
	for _, t := range []reflect.Type{api.in, api.out} {
		switch t.Kind() {
		case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer, reflect.Uintptr:
			api.fault = fmt.Errorf("type %s cannot be a body", t)
		default:
		}
	}
	if fn == nil {
		api.fault = errors.New("the function is nil")
	}
	api.handle = func(ctx context.Context, c *Client, contentType string, body []byte) (any, error) {
		var in In
		if err := decodeBody(reflect.ValueOf(&in).Elem(), contentType, body); err != nil {
			return nil, err
		}
		return fn(ctx, c, in)
	}
	return api
}

// isBytes reports whether a type is a slice of bytes that is no JSON document.
func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && t != reflect.TypeFor[json.RawMessage]()
}

// decodeBody reads a body into the argument of a service's function.
func decodeBody(into reflect.Value, contentType string, body []byte) error {
	f, media := formOf(contentType)
	t := into.Type()
	switch {
	case isBytes(t):
		into.SetBytes(body)
		return nil
	case t.Kind() == reflect.String && (f == formText || f == formOctets):
		if !utf8.Valid(body) {
			return &Problem{Code: CodeInvalidInput, Detail: "the text is not valid UTF-8"}
		}
		into.SetString(string(body))
		return nil
	case f == formJSON, contentType == "":
		return decodeJSON(into, body)
	}
	return unsupported(media, bodyTypes(t))
}

// decodeJSON reads one JSON value strictly.
func decodeJSON(into reflect.Value, body []byte) error {
	if err := checkJSON(body); err != nil {
		return err
	}
	if !utf8.Valid(body) {
		return &Problem{Code: CodeInvalidInput, Detail: "the JSON is not valid UTF-8"}
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into.Addr().Interface()); err != nil {
		return &Problem{Code: CodeInvalidInput, Detail: fmt.Sprintf("the JSON does not fit: %v", err)}
	}
	return nil
}

// bodyTypes are the media types that a type may be sent as.
func bodyTypes(t reflect.Type) []string {
	switch {
	case isBytes(t):
		return []string{mediaOctets}
	case t.Kind() == reflect.String:
		return []string{mediaText, mediaJSON}
	}
	return []string{mediaJSON}
}

// answerTypes are the media types that a type may be answered as.
func answerTypes(t reflect.Type) []string {
	if isBytes(t) {
		return []string{mediaOctets}
	}
	return bodyTypes(t)
}

// chooseMedia is the media type that a client likes best, the first among equals.
func chooseMedia(r *request, offers []string) (string, error) {
	accepted := acceptsOf(r.Request().Header)
	media, quality := "", 0.0
	for _, offer := range offers {
		if q := accepted.quality(offer); q > quality {
			media, quality = offer, q
		}
	}
	if media == "" {
		return "", &Problem{Code: CodeNotAcceptable, Detail: "the answer can be had as " + list(offers), Offers: offers}
	}
	return media, nil
}

// serve answers a request to a service. m is the method that its jobs run.
func (g *Gateway) serve(api API, m *method) handler {
	offers := answerTypes(api.out)
	return func(r *request) error {
		media, err := chooseMedia(r, offers)
		if err != nil {
			return err
		}
		if taken, err := g.submitService(r, api, m); taken {
			return err
		}
		b, err := g.body(r)
		if err != nil {
			return err
		}
		ctx := context.WithValue(r.Request().Context(), originKey{}, r.origin())
		out, err := api.handle(ctx, g.client, r.Request().Header.Get("Content-Type"), b.bytes())
		if err != nil {
			return err
		}
		return g.answer(r, media, reflect.ValueOf(out))
	}
}

// answer sends what a service's function returned.
func (g *Gateway) answer(r *request, media string, out reflect.Value) error {
	raw, err := encodeAnswer(media, out)
	if err != nil {
		return err
	}
	return g.sendAnswer(r, media, raw)
}

// encodeAnswer writes what a service's function returned.
func encodeAnswer(media string, out reflect.Value) ([]byte, error) {
	switch media {
	case mediaText:
		return []byte(out.String()), nil
	case mediaOctets:
		return out.Bytes(), nil
	}
	var value any
	if out.IsValid() {
		value = out.Interface()
	}
	raw, err := marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return raw, nil
}

// sendAnswer sends an answer that is encoded.
func (g *Gateway) sendAnswer(r *request, media string, raw []byte) error {
	if media == mediaText {
		media = textUTF8
	}
	if err := r.answer.take(int64(len(raw))); err != nil {
		return err
	}
	h := r.Response().Header()
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	h["Cache-Control"] = g.headers.noStore
	return r.Blob(http.StatusOK, media, raw)
}

// routePattern is what the route of a service looks like: it can neither take
// parameters nor be anything but itself in a URL.
var routePattern = regexp.MustCompile(`^(/[A-Za-z0-9][-._~A-Za-z0-9]*)+$`)

// serviceRoutes makes the routes of the services. They must not be twice, nor
// any that the gateway has or may come to have.
func (g *Gateway) serviceRoutes() error {
	var errs []error
	var taken []string
	for _, s := range g.deps.Services {
		for _, api := range s.APIs {
			err := api.fault
			switch {
			case err != nil:
			case !routePattern.MatchString(api.Route):
				err = fmt.Errorf("want a path such as /analysis, that matches %s", routePattern)
			case slices.Contains(taken, api.Route):
				err = errors.New("the route is there twice")
			case reserved(api.Route):
				err = errors.New("the route is one of the gateway's own")
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("service %q, route %q: %w", s.Name, api.Route, err))
				continue
			}
			taken = append(taken, api.Route)
		}
	}
	errs = append(errs, validateServices(g.deps.Services))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, s := range g.deps.Services {
		methods, err := g.roster.serviceMethods(s)
		if err != nil {
			return err
		}
		for i, api := range s.APIs {
			g.router.POST(api.Route, g.handleBody(api.Route, g.serve(api, methods[i])))
		}
	}
	return nil
}
