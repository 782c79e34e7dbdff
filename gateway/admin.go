package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"strings"
)

// Secret is a text that is not printed.
type Secret string

// hidden is printed instead.
const hidden = "[hidden]"

// String does not tell the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString does not tell the secret.
func (s Secret) GoString() string { return s.String() }

// LogValue does not tell the secret.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText does not tell the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the text as it is.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}

// is reports whether the secret is this text, in a time that does not tell how
// much of it is right.
func (s Secret) is(text string) bool {
	want, got := sha256.Sum256([]byte(s)), sha256.Sum256([]byte(text))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// admin makes a handler one for those who may change the system: who has the
// admin token; or, where none is set, everybody on the host of a gateway that
// only listens there.
func (g *Gateway) admin(h handler) handler {
	return func(r *request) error {
		if err := g.mayChange(r); err != nil {
			return err
		}
		return h(r)
	}
}

func (g *Gateway) mayChange(r *request) error {
	if g.config.AdminToken != "" {
		scheme, token, _ := strings.Cut(r.Request().Header.Get("Authorization"), " ")
		if strings.EqualFold(scheme, "Bearer") && g.config.AdminToken.is(strings.TrimSpace(token)) {
			return nil
		}
		r.Response().Header().Set("WWW-Authenticate", "Bearer")
		return &Problem{Code: CodeUnauthorized, Detail: "this route needs Authorization: Bearer and the gateway's EKIBEN_ADMIN_TOKEN"}
	}
	if !g.onLoopback(r.Request()) {
		return &Problem{Code: CodeForbidden, Detail: "this route changes the system: set EKIBEN_ADMIN_TOKEN for the gateway and send it as Authorization: Bearer"}
	}
	return nil
}

// onLoopback reports whether the gateway listens on loopback only and the request
// is for a name of it. Others are sent by browsers to which a name was resolved
// anew while they show a page of it.
func (g *Gateway) onLoopback(r *http.Request) bool {
	if !isLoopback(hostOf(g.config.Addr)) || !isLoopback(hostOf(r.Host)) {
		return false
	}
	local, known := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return !known || isLoopback(hostOf(local.String()))
}

// hostOf is the host of host:port or of a host alone.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}

// isLoopback reports whether a host is this one.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
