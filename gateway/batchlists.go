package gateway

import (
	"context"
	"net/http"
)

// listView is a page of a list in the shape of OpenAI's API: the next one begins
// after the last id.
type listView[T any] struct {
	Object string  `json:"object"`
	Data   []T     `json:"data"`
	First  *string `json:"first_id"`
	Last   *string `json:"last_id"`
	More   bool    `json:"has_more"`
	Next   string  `json:"next,omitempty"`
}

func listOf[T any](data []T, idOf func(T) string, more bool) listView[T] {
	l := listView[T]{Object: "list", Data: data, More: more}
	if len(data) > 0 {
		first, last := idOf(data[0]), idOf(data[len(data)-1])
		l.First, l.Last = &first, &last
	}
	return l
}

// getBatches answers GET /v1/batches.
func (g *Gateway) getBatches(r *request) error {
	values, err := queryOf(r.Request().URL.RawQuery, "limit", "cursor", "after")
	if err != nil {
		return err
	}
	limit, err := limitParameter(values)
	if err != nil {
		return err
	}
	ctx := r.Request().Context()
	from, err := g.batchCursor(ctx, values)
	if err != nil {
		return err
	}
	page, next, err := g.deps.Bulk.Records.Batches(ctx, from, limit)
	if err != nil {
		return cursorProblem(err)
	}
	views := make([]batchView, len(page))
	for i := range page {
		views[i] = viewOfBatch(page[i])
	}
	l := listOf(views, func(v batchView) string { return v.ID }, next != "")
	l.Next = next
	return r.JSON(http.StatusOK, l)
}

// batchCursor is where a page begins: a cursor, or after a batch.
func (g *Gateway) batchCursor(ctx context.Context, values map[string]string) (string, error) {
	switch {
	case values["after"] == "":
		return values["cursor"], nil
	case values["cursor"] != "":
		return "", invalidParameter("give after or cursor, not both")
	}
	return g.deps.Bulk.Records.BatchCursor(ctx, values["after"])
}

// getFiles answers GET /v1/files.
func (g *Gateway) getFiles(r *request) error {
	values, err := queryOf(r.Request().URL.RawQuery, "limit", "after", "purpose")
	if err != nil {
		return err
	}
	limit, err := limitParameter(values)
	if err != nil {
		return err
	}
	if purpose := values["purpose"]; purpose != "" && purpose != purposeBatch {
		return r.JSON(http.StatusOK, listOf([]fileView{}, nil, false))
	}
	page, more, err := g.deps.Bulk.Desk.Files(r.Request().Context(), values["after"], limit)
	if err != nil {
		return err
	}
	views := make([]fileView, len(page))
	for i := range page {
		views[i] = viewOfFile(page[i])
	}
	return r.JSON(http.StatusOK, listOf(views, func(v fileView) string { return v.ID }, more))
}

// purposeBatch is what files are for.
const purposeBatch = "batch"

// deleteFile answers DELETE /v1/files/{id}.
func (g *Gateway) deleteFile(r *request) error {
	id := r.param("id")
	if err := g.deps.Bulk.Desk.DropFile(r.Request().Context(), id); err != nil {
		return err
	}
	return r.JSON(http.StatusOK, struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Deleted bool   `json:"deleted"`
	}{id, "file", true})
}
