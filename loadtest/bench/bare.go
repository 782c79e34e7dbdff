package bench

import (
	"context"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"
)

// barePath is the route of the bare server: of the same length as that of the
// whole path, so that the requests differ in nothing else.
const barePath = "/v1/runners/echo/run"

// Bare serves what benchmark 1 compares with, on addr, until ctx ends: the
// router that the gateway uses and a handler that answers the body, nothing
// else.
func Bare(ctx context.Context, addr string) error {
	e := echo.New()
	defer context.AfterFunc(ctx, func() { _ = e.Close() })()
	e.HideBanner, e.HidePort = true, true
	e.GET("/readyz", func(c echo.Context) error { return c.NoContent(http.StatusOK) })
	e.POST(barePath, func(c echo.Context) error {
		body, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return err
		}
		return c.Blob(http.StatusOK, echo.MIMEOctetStream, body)
	})
	return e.Start(addr)
}
