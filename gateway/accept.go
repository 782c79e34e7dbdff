package gateway

import (
	"net/http"
	"strconv"
	"strings"
)

// accepts is what a client takes, from its Accept headers (RFC 9110 section
// 12.5.1). Without any, everything is fine.
type accepts struct{ ranges []mediaRange }

// mediaRange is one element of Accept, in lower case; "*" is any.
type mediaRange struct {
	kind, sub string
	q         float64
}

// maxRanges bounds how many elements of Accept are read.
const maxRanges = 32

// acceptsOf reads all Accept headers. Malformed elements are ignored.
func acceptsOf(h http.Header) accepts {
	var a accepts
	for _, line := range h["Accept"] {
		for line != "" && len(a.ranges) < maxRanges {
			var item string
			item, line = cutUnquoted(line, ',')
			if r, ok := mediaRangeOf(item); ok {
				a.ranges = append(a.ranges, r)
			}
		}
	}
	return a
}

// quality is how much the client likes a media type, 0 for not at all. The most
// specific range that matches it decides.
func (a accepts) quality(media string) float64 {
	if len(a.ranges) == 0 {
		return 1
	}
	kind, sub, _ := strings.Cut(media, "/")
	q, best := 0.0, -1
	for _, r := range a.ranges {
		specific := 0
		switch {
		case r.kind == "*" && r.sub == "*":
		case r.kind == kind && r.sub == "*":
			specific = 1
		case r.kind == kind && r.sub == sub:
			specific = 2
		default:
			continue
		}
		if specific > best {
			q, best = r.q, specific
		}
	}
	return q
}

func mediaRangeOf(item string) (mediaRange, bool) {
	media, params := cutUnquoted(item, ';')
	kind, sub, ok := strings.Cut(strings.TrimSpace(media), "/")
	if !ok || kind == "" || sub == "" || kind == "*" && sub != "*" {
		return mediaRange{}, false
	}
	r := mediaRange{kind: strings.ToLower(kind), sub: strings.ToLower(sub), q: 1}
	for params != "" {
		var param string
		param, params = cutUnquoted(params, ';')
		name, value, _ := strings.Cut(param, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			r.q, ok = qualityOf(strings.TrimSpace(value))
		}
	}
	return r, ok
}

// qualityOf reads a qvalue, 0 to 1.
func qualityOf(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	q, err := strconv.ParseFloat(s, 64)
	return q, err == nil && q <= 1
}
