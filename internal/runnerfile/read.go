package runnerfile

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What a file may have, with aliases counted as often as they are used.
const (
	mostNodes = 100_000
	mostDepth = 100
)

// byteOrderMark is what some editors begin files in UTF-8 with.
const byteOrderMark = "\uFEFF"

// read reads YAML. A syntax error comes back alone; what else is wrong is noted,
// and the rest is read.
func read(data []byte, fs *faults) (*node, error) {
	f, err := parse(bytes.TrimPrefix(data, []byte(byteOrderMark)))
	if err != nil {
		return nil, fmt.Errorf("%s", yaml.FormatError(err, false, true))
	}
	var body ast.Node
	for _, doc := range f.Docs {
		switch {
		case doc.Body == nil:
		case body != nil:
			return nil, errors.New("there is a second document, after ---; the file must have one")
		default:
			body = doc.Body
		}
	}
	if body == nil {
		return &node{at: place{1, 1}}, nil
	}
	r := reader{faults: fs, anchors: map[string]ast.Node{}, open: map[string]bool{}, left: mostNodes}
	ast.Walk(&r, body)
	return r.node(body, place{1, 1}, 0), nil
}

// parse is the parser. A file is the user's, so whatever is in it is an error and
// never a panic.
func parse(data []byte) (f *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it is not YAML: %v", p)
		}
	}()
	return parser.ParseBytes(data, 0)
}

// reader makes nodes of what the parser has read.
type reader struct {
	faults  *faults
	anchors map[string]ast.Node
	// open are the anchors whose value is being read.
	open map[string]bool
	// left is how many nodes there may still be.
	left int
}

// Visit collects anchors.
func (r *reader) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		name := a.Name.GetToken().Value
		if _, twice := r.anchors[name]; twice {
			r.faults.add(placeOf(a, place{}), "anchor %s is there twice", name)
		}
		r.anchors[name] = a.Value
	}
	return r
}

// placeOf is where a node begins; without a token of its own it is where what it
// belongs to is.
func placeOf(n ast.Node, around place) place {
	var t *token.Token
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return placeOf(n.Values[0], around)
		}
		t = n.GetToken()
	case *ast.MappingValueNode:
		t = n.Key.GetToken()
	default:
		t = n.GetToken()
	}
	if t == nil || t.Position == nil {
		return around
	}
	return place{t.Position.Line, t.Position.Column}
}

// node reads a value. What cannot be read is nothing, and noted.
func (r *reader) node(n ast.Node, around place, depth int) *node {
	if n == nil {
		return &node{at: around}
	}
	at := placeOf(n, around)
	if r.left--; r.left < 0 || depth > mostDepth {
		r.faults.add(place{}, "there is too much in the file: at most %d values, %d deep", mostNodes, mostDepth)
		return &node{at: at}
	}
	switch n := n.(type) {
	case *ast.AnchorNode:
		return r.node(n.Value, at, depth+1)
	case *ast.AliasNode:
		return r.alias(n, at, depth)
	case *ast.TagNode:
		return r.tagged(n, at, depth)
	case *ast.MappingNode:
		return r.table(n.Values, at, depth)
	case *ast.MappingValueNode:
		return r.table([]*ast.MappingValueNode{n}, at, depth)
	case *ast.SequenceNode:
		items := make([]*node, len(n.Values))
		for i, v := range n.Values {
			items[i] = r.node(v, at, depth+1)
		}
		return &node{at: at, form: list, items: items}
	case ast.ScalarNode:
		return scalarNode(n, at)
	}
	r.faults.add(at, "%s cannot be here", n.Type().YAMLName())
	return &node{at: at}
}

func (r *reader) alias(n *ast.AliasNode, at place, depth int) *node {
	name := n.Value.GetToken().Value
	value, ok := r.anchors[name]
	if !ok || r.open[name] {
		r.faults.add(at, "alias *%s has no anchor &%s that ends before it", name, name)
		return &node{at: at}
	}
	r.open[name] = true
	defer delete(r.open, name)
	return r.node(value, at, depth+1)
}

// tagged reads a value with a tag, of which !!str is the only one that changes
// anything.
func (r *reader) tagged(n *ast.TagNode, at place, depth int) *node {
	v := r.node(n.Value, at, depth+1)
	switch n.Start.Value {
	case "!!str":
		if v.form == scalar {
			v.value, v.quoted = v.text, true
		}
	case "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
	default:
		r.faults.add(at, "the tag %s is not known here", n.Start.Value)
	}
	return v
}

func scalarNode(n ast.ScalarNode, at place) *node {
	out := &node{at: at, value: n.GetValue()}
	t := n.GetToken()
	if t != nil {
		out.text = t.Value
		out.quoted = t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
	}
	if block, ok := n.(*ast.LiteralNode); ok {
		out.value, out.quoted = block.Value.Value, true
	}
	switch v := out.value.(type) {
	case string:
		out.text = v
	case uint64:
		if v <= math.MaxInt64 {
			out.value = int64(v)
		}
	}
	return out
}

// table reads a map. What `<<` merges into it counts for keys that it does not
// have itself.
func (r *reader) table(values []*ast.MappingValueNode, at place, depth int) *node {
	out := &node{at: at, form: table}
	var merged []field
	for _, v := range values {
		keyAt := placeOf(v, at)
		value := r.node(v.Value, keyAt, depth+1)
		if v.Key.IsMergeKey() {
			merged = append(merged, r.merged(value)...)
			continue
		}
		key, ok := keyOf(v.Key)
		if !ok {
			r.faults.add(keyAt, "a key must be text")
			continue
		}
		out.fields = append(out.fields, field{key, keyAt, value})
	}
	for _, f := range merged {
		if _, own := out.field(f.key); !own {
			out.fields = append(out.fields, f)
		}
	}
	return out
}

// merged are the fields of what `<<` has: a map, or a list of maps of which the
// first that has a key wins.
func (r *reader) merged(n *node) []field {
	var all []field
	from := []*node{n}
	if n.form == list {
		from = n.items
	}
	for _, m := range from {
		if m.form != table {
			r.faults.add(m.at, "<< wants a map or a list of maps")
		}
		all = append(all, m.fields...)
	}
	return all
}

func keyOf(key ast.MapKeyNode) (string, bool) {
	switch k := key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return k.GetToken().Value, true
	}
	return "", false
}

// scalarOf is what text means as a YAML scalar: what it is if it is none.
func scalarOf(text string) any {
	if text == "" {
		return nil
	}
	f, err := parse([]byte(text))
	if err != nil || len(f.Docs) != 1 {
		return text
	}
	if n, ok := f.Docs[0].Body.(ast.ScalarNode); ok {
		return scalarNode(n, place{}).value
	}
	return text
}

// structureOf is the list or the map that text is in YAML, in brackets or braces;
// nil if it is none. All of it is where the text is.
func structureOf(text string, at place) *node {
	if !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "{") {
		return nil
	}
	var fs faults
	n, err := read([]byte(text), &fs)
	if err != nil || len(fs.all) > 0 || n.form == scalar {
		return nil
	}
	n.moveTo(at)
	return n
}

// moveTo makes a place that of a node and of all below.
func (n *node) moveTo(at place) {
	n.at = at
	for _, item := range n.items {
		item.moveTo(at)
	}
	for i := range n.fields {
		n.fields[i].at = at
		n.fields[i].value.moveTo(at)
	}
}
