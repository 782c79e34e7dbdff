package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/labstack/echo/v4"
)

// marshal writes JSON as clients get it, with <, > and & as they are: nothing is
// answered as HTML that is not made by a template.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// answers writes the JSON of all routes. Bodies are read elsewhere.
type answers struct{ echo.DefaultJSONSerializer }

// Serialize writes a value and a line end.
func (answers) Serialize(c echo.Context, v any, _ string) error {
	raw, err := marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	_, err = c.Response().Write(append(raw, '\n'))
	return err
}
