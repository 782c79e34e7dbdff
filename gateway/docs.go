package gateway

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/tensor"
)

//go:embed docs.html
var docsHTML string

// docs is the page for people who want to call something.
type docs struct{ html *template.Template }

func newDocs() (docs, error) {
	html, err := template.New("docs").Parse(docsHTML)
	if err != nil {
		return docs{}, fmt.Errorf("docs: %w", err)
	}
	return docs{html}, nil
}

// docsView is what the page shows.
type docsView struct {
	Services []serviceDoc
	Runners  []runnerDoc
}

type serviceDoc struct{ Name, Route, Curl string }

type runnerDoc struct {
	Name, Runnable string
	Methods        []methodDoc
}

type methodDoc struct {
	Name, URL, Accepts, Offers string
	Inputs, Outputs            []runnables.ValueSpec
	Rows                       string // of a batch, or nothing
	Curl                       string
}

// getDocs answers GET /docs.
func (g *Gateway) getDocs(r *request) error {
	base := "http://" + r.Request().Host
	if r.Request().TLS != nil {
		base = "https://" + r.Request().Host
	}
	var v docsView
	for _, s := range g.deps.Services {
		for _, api := range s.APIs {
			v.Services = append(v.Services, serviceDoc{s.Name, api.Route, api.curl(base)})
		}
	}
	for _, found := range g.roster.callable() {
		doc := runnerDoc{Name: found.spec.Runner, Runnable: found.spec.Runnable}
		for _, s := range found.spec.Methods {
			doc.Methods = append(doc.Methods, found.methods[s.Name].doc(base))
		}
		v.Runners = append(v.Runners, doc)
	}
	var b bytes.Buffer
	if err := g.docs.html.Execute(&b, v); err != nil {
		return fmt.Errorf("docs: %w", err)
	}
	return g.html(r, b.Bytes())
}

func (m *method) doc(base string) methodDoc {
	doc := methodDoc{
		Name: m.Name, URL: m.url(), Accepts: strings.Join(m.accepts, ", "), Offers: strings.Join(m.offers, ", "),
		Inputs: m.Inputs, Outputs: m.OutputSpecs(1), Curl: m.curl(base),
	}
	if m.Batchable {
		doc.Rows = fmt.Sprintf("up to %d rows a batch, ", m.MaxBatchSize)
		if m.MaxLatencyMS > 0 {
			doc.Rows += "waiting at most " + strconv.FormatFloat(m.MaxLatencyMS, 'f', -1, 64) + " ms"
		} else {
			doc.Rows += "without waiting"
		}
	}
	return doc
}

// curl is a command that runs the method with values that fit its signature.
func (m *method) curl(base string) string {
	var args []string
	for i := range m.Inputs {
		if !m.Inputs[i].Optional {
			args = append(args, fmt.Sprintf("%q: %s", m.Inputs[i].Name, example(&m.Inputs[i])))
		}
	}
	if len(args) == 0 && m.Batchable { // one must be there for the rows
		args = []string{fmt.Sprintf("%q: %s", m.Inputs[0].Name, example(&m.Inputs[0]))}
	}
	return fmt.Sprintf("curl %s \\\n  -H 'Content-Type: application/json' \\\n  --data %s",
		shellQuote(base+m.url()), shellQuote("{"+strings.Join(args, ", ")+"}"))
}

// example is a value in JSON that fits a spec.
func example(v *runnables.ValueSpec) string {
	value := "1"
	switch v.DType {
	case tensor.Any:
		return "[1, 2]" // of any rank, and with rows
	case tensor.Bool:
		value = "true"
	case tensor.FP16, tensor.BF16, tensor.FP32, tensor.FP64:
		value = "0.5"
	case tensor.Bytes:
		value = map[runnables.Content]string{runnables.Text: `"some text"`, runnables.JSON: "{}", runnables.Opaque: `"Ynl0ZXM="`}[v.Content]
	default:
	}
	for _, dim := range slices.Backward(v.Shape) {
		n := min(max(dim, 1), 4)
		value = "[" + strings.Repeat(value+", ", n-1) + value + "]"
		if dim > n {
			value = strings.TrimSuffix(value, "]") + ", …]"
		}
	}
	return value
}

// curl is a command that calls the API.
func (a API) curl(base string) string {
	media, data := mediaJSON, "{}"
	switch types := bodyTypes(a.in); types[0] {
	case mediaText:
		media, data = mediaText, "some text"
	case mediaOctets:
		media, data = mediaOctets, "@file"
	}
	return fmt.Sprintf("curl %s \\\n  -H 'Content-Type: %s' \\\n  --data-binary %s", shellQuote(base+a.Route), media, shellQuote(data))
}

// shellQuote quotes for a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
