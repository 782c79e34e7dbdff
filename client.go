package ekiben

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
)

// remote is a gateway, as the command line talks to it.
type remote struct {
	url    string
	client *http.Client
}

// addRemote adds the flag that says where the gateway is.
func addRemote(c *cobra.Command, r *remote) {
	r.client = &http.Client{}
	c.Flags().StringVar(&r.url, "url", cmp.Or(os.Getenv("EKIBEN_URL"), "http://127.0.0.1:3000"), "the gateway (EKIBEN_URL)")
}

// problem is what a gateway says when it refuses.
type problem struct {
	Title  string `json:"title,omitempty"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
}

// do sends a request without a body and returns the answer's, or the gateway's
// problem as an error.
func (r *remote) do(ctx context.Context, method, path string, header http.Header) ([]byte, error) {
	res, err := r.send(ctx, method, path, nil, header)
	return res.body, err
}

// response is what a gateway answered.
type response struct {
	status int
	header http.Header
	body   []byte
}

// send sends a request, and returns the gateway's problem as an error.
func (r *remote) send(ctx context.Context, method, path string, body []byte, header http.Header) (response, error) {
	res, err := r.open(ctx, method, path, bytes.NewReader(body), header)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return response{}, fmt.Errorf("read the answer of %s: %w", r.url, err)
	}
	return response{res.StatusCode, res.Header, answer}, nil
}

// open sends a request, and returns the answer with its body still to be read and
// closed, or the gateway's problem as an error.
func (r *remote) open(ctx context.Context, method, path string, body io.Reader, header http.Header) (*http.Response, error) {
	base := strings.TrimSuffix(r.url, "/")
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err != nil {
		return nil, fmt.Errorf("--url: %w", err)
	}
	maps.Copy(req.Header, header)
	res, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no gateway answers at %s (name one with --url or EKIBEN_URL): %w", r.url, err)
	}
	if res.StatusCode < http.StatusBadRequest {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	var p problem
	if json.NewDecoder(res.Body).Decode(&p) != nil || p.Code == "" {
		return nil, &refusedError{res.StatusCode, fmt.Sprintf("%s answers %s", r.url, res.Status)}
	}
	return nil, &refusedError{res.StatusCode, fmt.Sprintf("%s (%s)", cmp.Or(p.Detail, p.Title), p.Code)}
}

// refusedError is a gateway's refusal, in its words.
type refusedError struct {
	status int
	said   string
}

func (e *refusedError) Error() string { return e.said }

func callCommand() *cobra.Command {
	var r remote
	var in callInput
	c := &cobra.Command{
		Use:   "call RUNNER METHOD",
		Short: "Run one method and print its value",
		Example: "  ekiben call sentiment is_positive --text 'what a day'\n" +
			"  ekiben call sentiment scores --json '{\"texts\": [\"good\", \"bad\"]}'\n" +
			"  ekiben call digits predict --file image.npy\n" +
			"  ekiben call sentiment is_positive --file in.jsonl --out out.jsonl\n" +
			"  echo 'from a pipe' | ekiben call sentiment is_positive --file - --type text/plain",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.bulk() {
				return in.callAll(cmd, &r, args)
			}
			body, header, err := in.read(cmd)
			if err != nil {
				return err
			}
			path := "/v1/runners/" + url.PathEscape(args[0]) + "/" + url.PathEscape(args[1])
			answer, err := r.send(cmd.Context(), http.MethodPost, path, body, header)
			if err != nil {
				return err
			}
			return printValue(cmd.OutOrStdout(), answer)
		},
	}
	addRemote(c, &r)
	in.flags(c)
	return c
}

// callInput is what a call is made of on the command line.
type callInput struct {
	text, json, file, mediaType, accept string
	timeout, startWithin, priority, key string
	retry, delay, at, webhook           string
	out                                 string
	async, lines                        bool
}

func (in *callInput) flags(c *cobra.Command) {
	c.Flags().StringVar(&in.text, "text", "", "the argument is this text")
	c.Flags().StringVar(&in.json, "json", "", "the arguments by name as a JSON object, or the value of the only one")
	c.Flags().StringVar(&in.file, "file", "", "send this file; - is standard input")
	c.Flags().StringVar(&in.mediaType, "type", "", "content type of the file; by its name if not given")
	c.Flags().StringVar(&in.accept, "accept", "", "content type of the answer, such as application/x-npy")
	c.Flags().StringVar(&in.out, "out", "", "run every line of --file, a .jsonl of calls, as a batch; the outcomes go to this file")
	c.Flags().BoolVar(&in.lines, "lines", false, "with --out: each line of --file is the JSON of one input")
	c.Flags().BoolVar(&in.async, "async", false, "submit a job and print it instead of waiting for the value")
	c.Flags().StringVar(&in.timeout, "timeout", "", "how long the call may take, such as 1.5s")
	c.Flags().StringVar(&in.startWithin, "start-within", "", "how soon it must begin to run, such as 500ms")
	c.Flags().StringVar(&in.priority, "priority", "", "high, normal or low")
	c.Flags().StringVar(&in.retry, "retry", "", "submit a job that is tried again so many times, up to 20")
	c.Flags().StringVar(&in.delay, "delay", "", "submit a job that is queued so much later, such as 10m")
	c.Flags().StringVar(&in.at, "at", "", "submit a job that is queued then, such as 2026-09-30T12:00:00Z")
	c.Flags().StringVar(&in.webhook, "webhook", "", "submit a job of whose end this URL is told; '; events=\"failed\"' behind it says of which ends")
	c.Flags().StringVar(&in.key, "idempotency-key", "", "run it once however often it is sent with this key")
	c.MarkFlagsMutuallyExclusive("text", "json", "file")
	c.MarkFlagsMutuallyExclusive("delay", "at")
	c.MarkFlagsOneRequired("text", "json", "file")
}

func (in *callInput) read(c *cobra.Command) (body []byte, header http.Header, err error) {
	header = http.Header{}
	switch {
	case in.file == "-":
		body, err = io.ReadAll(c.InOrStdin())
		header.Set("Content-Type", cmp.Or(in.mediaType, "application/octet-stream"))
	case c.Flags().Changed("file"):
		body, err = os.ReadFile(in.file)
		header.Set("Content-Type", cmp.Or(in.mediaType, mediaTypeOf(in.file)))
	case c.Flags().Changed("json"):
		if !json.Valid([]byte(in.json)) {
			return nil, nil, errors.New("--json is not valid JSON")
		}
		body = []byte(in.json)
		header.Set("Content-Type", "application/json")
	default:
		body = []byte(in.text)
		header.Set("Content-Type", "text/plain")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--file: %w", err)
	}
	for name, value := range map[string]string{
		"Accept": in.accept, "Ekiben-Timeout": in.timeout, "Ekiben-Start-Within": in.startWithin, "Ekiben-Priority": in.priority,
		"Idempotency-Key": in.key, "Ekiben-Retry": in.retry, "Ekiben-Delay": in.delay, "Ekiben-At": in.at, "Ekiben-Webhook": in.webhook,
	} {
		if value != "" {
			header.Set(name, value)
		}
	}
	if in.async {
		header.Set("Prefer", "respond-async")
	}
	return body, header, nil
}

func mediaTypeOf(file string) string {
	switch {
	case strings.HasSuffix(file, ".json"):
		return "application/json"
	case strings.HasSuffix(file, ".txt"):
		return "text/plain"
	case strings.HasSuffix(file, ".npy"):
		return "application/x-npy"
	default:
		return "application/octet-stream"
	}
}

func addOutput(c *cobra.Command, format *string) {
	c.Flags().StringVarP(format, "output", "o", "table", "table, json or yaml")
}

// show prints a JSON answer in the format asked for.
func show(w io.Writer, format string, answer []byte, table func(io.Writer, []byte) error) error {
	switch format {
	case "table":
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		if err := table(tw, answer); err != nil {
			return err
		}
		return tw.Flush()
	case "json":
		var indented bytes.Buffer
		if err := json.Indent(&indented, bytes.TrimSpace(answer), "", "  "); err != nil {
			return fmt.Errorf("the gateway's answer: %w", err)
		}
		_, err := fmt.Fprintln(w, indented.String())
		return err
	case "yaml":
		text, err := yaml.JSONToYAML(answer)
		if err != nil {
			return fmt.Errorf("the gateway's answer: %w", err)
		}
		_, err = w.Write(text)
		return err
	default:
		return fmt.Errorf("--output is %q, want table, json or yaml", format)
	}
}
