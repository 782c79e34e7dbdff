package gateway

import (
	"mime"
	"slices"
	"strings"
)

// Media types of bodies and results.
const (
	mediaJSON    = "application/json"
	mediaText    = "text/plain"
	mediaOctets  = "application/octet-stream"
	mediaNPY     = "application/x-npy"
	mediaForm    = "application/x-www-form-urlencoded"
	mediaProblem = "application/problem+json"

	// textUTF8 is how text is answered.
	textUTF8 = "text/plain; charset=utf-8"
)

// form is a way to write arguments or results, of which a media type is a name.
type form uint8

// The forms.
const (
	formUnknown form = iota
	formJSON
	formText
	formOctets
	formNPY
	formFile // of a type that says what the bytes are; arguments only
)

// formOf tells the form of a body by its Content-Type, and the media type. There
// is no guessing: without a Content-Type a body is octets, as RFC 9110 section
// 8.3 allows. Text must be UTF-8.
//
//	application/json, …+json                 formJSON
//	text/…, application/text                 formText
//	application/octet-stream                 formOctets
//	image/…, audio/…, video/…                formFile
//	application/x-npy, application/vnd.numpy formNPY
func formOf(contentType string) (form, string) {
	switch contentType { // what nearly all clients send
	case "", mediaOctets:
		return formOctets, mediaOctets
	case mediaJSON:
		return formJSON, mediaJSON
	case mediaNPY:
		return formNPY, mediaNPY
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return formUnknown, contentType
	}
	switch {
	case media == mediaJSON, strings.HasSuffix(media, "+json"):
		return formJSON, media
	case strings.HasPrefix(media, "text/"), media == "application/text":
		if !takesCharset(params["charset"]) {
			return formUnknown, contentType
		}
		return formText, media
	case media == mediaOctets:
		return formOctets, media
	case strings.HasPrefix(media, "image/"), strings.HasPrefix(media, "audio/"), strings.HasPrefix(media, "video/"):
		return formFile, media
	case media == mediaNPY, media == "application/vnd.numpy":
		return formNPY, media
	}
	return formUnknown, media
}

// takesCharset reports whether text in a charset is UTF-8.
func takesCharset(name string) bool {
	switch strings.ToLower(name) {
	case "", "utf-8", "utf8", "us-ascii":
		return true
	}
	return false
}

// unsupported refuses the type of a body, or the charset where that is all that
// is wrong with it.
func unsupported(contentType string, taken []string) *Problem {
	_, params, err := mime.ParseMediaType(contentType)
	if err == nil && !takesCharset(params["charset"]) && slices.Contains(taken, mediaText) {
		detail := "text in charset " + quote(params["charset"]) + " is not taken, but utf-8 and us-ascii"
		return &Problem{Code: CodeUnsupportedMediaType, Detail: detail, Accepts: taken}
	}
	detail := "a body of type " + quote(contentType) + " is not taken here, but " + list(taken)
	if media, _, _ := strings.Cut(contentType, ";"); strings.TrimSpace(media) == mediaForm {
		detail += "; curl sends this type with --data unless told otherwise: -H 'Content-Type: " + taken[0] + "'"
	}
	return &Problem{Code: CodeUnsupportedMediaType, Detail: detail, Accepts: taken}
}
