package gateway_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/ekiben/ekiben/gateway"
)

func TestAServiceCallsARunner(t *testing.T) {
	t.Parallel()
	type answer struct {
		IsPositive bool `json:"is_positive"`
	}
	analysis := func(ctx context.Context, c *gateway.Client, text string) (answer, error) {
		got, err := gateway.Run[string](ctx, c, "all", "text", text)
		return answer{got == "BentoML is great"}, err
	}
	h := newGateway(t, newFakeQueue(everything()), setup{services: []gateway.Service{
		{Name: "sentiment", APIs: []gateway.API{gateway.HandleFunc("/analysis", analysis)}},
	}}).Handler()
	w := send(t, h, http.MethodPost, "/analysis", "BentoML is great", "Content-Type", "application/text")
	wantBody(t, w, http.StatusOK, `{"is_positive":true}`)
}
