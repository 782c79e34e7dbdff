package ekiben

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// question is a command that sends a gateway one request and prints the answer.
type question struct {
	use, short, example string

	// method is GET if it is empty.
	method string
	// path is that of the request. The arguments of the command take the place of
	// its %s.
	path string
	// flags become the query: what each is for, by name. One is "cursor" where the
	// answer is a page of a list.
	flags map[string]string
	// admin: it changes the system, and the gateway may want its token.
	admin bool

	// table shows the answer. Without it nothing is printed.
	table func(io.Writer, []byte) error
}

func (q question) command() *cobra.Command {
	var r remote
	var format string
	c := &cobra.Command{Use: q.use, Short: q.short, Example: q.example, Args: cobra.NoArgs}
	if n := strings.Count(q.path, "%s"); n > 0 {
		c.Args = cobra.ExactArgs(n)
	}
	for name, usage := range q.flags {
		c.Flags().String(name, "", usage)
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		answer, err := r.do(cmd.Context(), cmp.Or(q.method, http.MethodGet), q.ask(cmd, args), q.header())
		if err != nil || q.table == nil {
			return err
		}
		if err := show(cmd.OutOrStdout(), format, answer, q.table); err != nil {
			return err
		}
		if _, paged := q.flags["cursor"]; paged {
			return tellNext(cmd, format, answer)
		}
		return nil
	}
	addRemote(c, &r)
	if q.table != nil {
		addOutput(c, &format)
	}
	return c
}

// ask is the path with its arguments and the query.
func (q question) ask(c *cobra.Command, args []string) string {
	escaped := make([]any, len(args))
	for i, arg := range args {
		escaped[i] = url.PathEscape(arg)
	}
	return fmt.Sprintf(q.path, escaped...) + queryOfFlags(c, slices.Sorted(maps.Keys(q.flags))...)
}

func (q question) header() http.Header {
	if q.admin {
		return adminHeader()
	}
	return nil
}

// queryOfFlags is a query of the flags that were given.
func queryOfFlags(c *cobra.Command, names ...string) string {
	query := url.Values{}
	for _, name := range names {
		if f := c.Flags().Lookup(name); f.Changed {
			query.Set(name, f.Value.String())
		}
	}
	if len(query) == 0 {
		return ""
	}
	return "?" + query.Encode()
}

// tellNext says below a table how to go on, where there is more.
func tellNext(c *cobra.Command, format string, answer []byte) error {
	var page struct {
		Next string `json:"next"`
	}
	if err := readAnswer(answer, &page); err != nil || format != "table" || page.Next == "" {
		return err
	}
	_, err := fmt.Fprintf(c.ErrOrStderr(), "There is more: --cursor %s\n", page.Next)
	return err
}
