package gateway

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait is the longest that a client may have a gateway wait.
const maxWait = 60 * time.Second

// preferences are what a request prefers (RFC 7240), as far as it is known here.
type preferences struct {
	// async: answer with the job at once.
	async bool
	// wait is how long to wait for a job; waits tells 0 from nothing.
	wait  time.Duration
	waits bool
}

// job reports whether the client prefers a job to an answer.
func (p preferences) job() bool { return p.async || p.waits }

// applied is the value of Preference-Applied.
func (p preferences) applied() string {
	switch {
	case p.waits && p.async:
		return "respond-async, wait=" + strconv.Itoa(int(p.wait/time.Second))
	case p.waits:
		return "wait=" + strconv.Itoa(int(p.wait/time.Second))
	case p.async:
		return "respond-async"
	}
	return ""
}

// preferencesOf reads all Prefer headers. What is not known or malformed is
// ignored, as RFC 7240 section 2 wants; of a preference that is given twice the
// first counts.
func preferencesOf(h http.Header) preferences {
	var p preferences
	for _, line := range h["Prefer"] {
		for line != "" {
			var item string
			item, line = cutUnquoted(line, ',')
			p.add(item)
		}
	}
	return p
}

// add reads one preference: token [= value] *(; parameter).
func (p *preferences) add(item string) {
	item, _ = cutUnquoted(item, ';')
	name, value, _ := strings.Cut(item, "=")
	name, value = strings.TrimSpace(name), unquote(strings.TrimSpace(value))
	switch {
	case strings.EqualFold(name, "respond-async"):
		p.async = true
	case strings.EqualFold(name, "wait") && !p.waits:
		if seconds, ok := deltaSeconds(value); ok {
			p.wait, p.waits = min(seconds, maxWait), true
		}
	}
}

// cutUnquoted cuts s at the first sep that is not within a quoted string.
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// unquote takes the quotes and escapes of a quoted-string (RFC 9110 section
// 5.6.4) away. Other strings are returned as they are.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// deltaSeconds reads digits as seconds. More than fit are very long.
func deltaSeconds(s string) (time.Duration, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return maxWait, true
	}
	return time.Duration(n) * time.Second, true
}
