package gateway_test

import (
	"net/http"
	"testing"
)

func TestACallGoesThroughAndComesBackInTheSameForm(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, method, contentType, accept, body, want, wantType string }{
		{"octets", "files", "application/octet-stream", "application/octet-stream", "\x00\xff", "\x00\xff", "application/octet-stream"},
		{"text", "text", "text/plain", "text/plain", "héllo", "héllo", "text/plain; charset=utf-8"},
		{"json", "text", "application/json", "", `{"input_text":["a","b"]}`, `["a","b"]`, "application/json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newGateway(t, newFakeQueue(everything()), setup{}).Handler()
			w := send(t, h, http.MethodPost, "/v1/runners/all/"+tt.method, tt.body, "Content-Type", tt.contentType, "Accept", tt.accept)
			wantBody(t, w, http.StatusOK, tt.want)
			if got := w.Header().Get("Content-Type"); got != tt.wantType {
				t.Errorf("content type %q, want %q", got, tt.wantType)
			}
		})
	}
}
