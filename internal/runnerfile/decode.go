package runnerfile

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decoder fills Go values with nodes, strictly, and notes everything that is
// wrong. A field that is null counts as one that is not there.
//
// The tags of a struct's fields: yaml is the field's name in the file; min, above
// and max bound numbers; enum lists the texts that there are. default and required
// are for what is written about it.
type decoder struct{ faults *faults }

// decodes is a type that reads itself. It is asked for null as well.
type decodes interface {
	decode(d decoder, of option, n *node) bool
}

// option is what is being read: whose it is and its path, for messages, where its
// key is, and its tags.
type option struct {
	owner string
	name  string
	at    place
	tag   reflect.StructTag
}

// in is an option of an option.
func (o option) in(key string, at place) option {
	name := key
	if o.name != "" {
		name = o.name + "." + key
	}
	return option{owner: o.owner, name: name, at: at}
}

// item is a value in the list that an option is.
func (o option) item(i int, at place) option {
	return option{owner: o.owner, name: fmt.Sprintf("%s[%d]", o.name, i), at: at}
}

// owned is whose options follow, such as runner "a".
func owned(what string, i int, n *node) option {
	o := option{owner: fmt.Sprintf("%s %d: ", what, i+1), at: n.at}
	if f, ok := n.field("name"); ok && !f.value.null() {
		o.owner = fmt.Sprintf("%s %q: ", what, f.value)
	}
	return o
}

// fault notes what is wrong with an option.
func (d decoder) fault(of option, format string, args ...any) bool {
	d.faults.add(of.at, "%s%s", of.owner, fmt.Sprintf(format, args...))
	return false
}

// wants notes that a node is not what is wanted, and returns false.
func (d decoder) wants(of option, n *node, what string) bool {
	return d.fault(of, "%s is %s, want %s", cmp.Or(of.name, "this"), n, what)
}

// into reads a node into a value that can be set. It reports whether it did.
func (d decoder) into(v reflect.Value, of option, n *node) bool {
	if n.unknown {
		return false
	}
	if v.Kind() != reflect.String && v.Kind() != reflect.Interface {
		n = n.read()
	}
	if r, ok := reflect.TypeAssert[decodes](v.Addr()); ok {
		return r.decode(d, of, n)
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if !d.into(p.Elem(), of, n) {
			return false
		}
		v.Set(p)
		return true
	case reflect.Struct:
		return d.structure(v, of, n)
	case reflect.Slice:
		return d.list(v, of, n)
	case reflect.Map:
		return d.table(v, of, n)
	case reflect.Interface:
		if n.infinite() {
			return d.fault(of, "has a number that is infinite or none, which JSON does not know")
		}
		if x := n.any(); x != nil {
			v.Set(reflect.ValueOf(x))
		}
		return true
	case reflect.String:
		return d.text(v, of, n)
	case reflect.Bool:
		b, ok := n.meaning().(bool)
		if !ok {
			return d.wants(of, n, "true or false")
		}
		v.SetBool(b)
		return true
	default:
		return d.numeric(v, of, n)
	}
}

// structure reads a map whose keys are known.
func (d decoder) structure(v reflect.Value, of option, n *node) bool {
	if n.form != table {
		return d.wants(of, n, "a map")
	}
	known := fieldsOf(v.Type())
	for _, f := range n.fields {
		k, ok := known[f.key]
		if !ok {
			d.fault(of.in(f.key, f.at), "unknown field %q", of.in(f.key, f.at).name)
			continue
		}
		o := of.in(f.key, f.at)
		o.tag = k.Tag
		if _, itself := reflect.TypeAssert[decodes](v.FieldByIndex(k.Index).Addr()); itself || !f.value.null() {
			d.into(v.FieldByIndex(k.Index), o, f.value)
		}
	}
	return true
}

// fieldsOf are a struct's fields by their names in the file, those of embedded
// structs among them.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	all := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(t) {
		if name := f.Tag.Get("yaml"); name != "" && !f.Anonymous {
			all[name] = f
		}
	}
	return all
}

func (d decoder) list(v reflect.Value, of option, n *node) bool {
	if n.form != list {
		return d.wants(of, n, "a list")
	}
	all := reflect.MakeSlice(v.Type(), 0, len(n.items))
	for i, item := range n.items {
		e := reflect.New(v.Type().Elem()).Elem()
		if d.into(e, of.item(i, item.at), item) {
			all = reflect.Append(all, e)
		}
	}
	v.Set(all)
	return true
}

func (d decoder) table(v reflect.Value, of option, n *node) bool {
	if n.form != table {
		return d.wants(of, n, "a map")
	}
	all := reflect.MakeMapWithSize(v.Type(), len(n.fields))
	for _, f := range n.fields {
		e := reflect.New(v.Type().Elem()).Elem()
		if d.into(e, of.in(f.key, f.at), f.value) {
			all.SetMapIndex(reflect.ValueOf(f.key), e)
		}
	}
	v.Set(all)
	return true
}

func (d decoder) numeric(v reflect.Value, of option, n *node) bool {
	x, ok := n.number()
	whole, exact := n.meaning().(int64)
	switch {
	case !ok:
		return d.wants(of, n, "a number")
	case v.Kind() == reflect.Float64:
		v.SetFloat(x)
	case exact:
		v.SetInt(whole)
	case x != math.Trunc(x) || math.Abs(x) >= 1<<63:
		return d.wants(of, n, "a whole number")
	default:
		v.SetInt(int64(x))
	}
	return d.inRange(of, n, x)
}

// text reads a text; one of those that there are, where the tag lists them.
func (d decoder) text(v reflect.Value, of option, n *node) bool {
	s, ok := n.value.(string)
	if !ok || n.form != scalar {
		return d.wants(of, n, "text")
	}
	v.SetString(s)
	enum := of.tag.Get("enum")
	if enum == "" {
		return true
	}
	values := strings.Split(enum, "|")
	if slices.Contains(values, s) {
		return true
	}
	last := len(values) - 1
	return d.wants(of, &node{value: s, text: strconv.Quote(s)}, strings.Join(values[:last], ", ")+" or "+values[last])
}

// inRange notes a number that the tags do not allow.
func (d decoder) inRange(of option, n *node, x float64) bool {
	least, most, above := bound(of, "min"), bound(of, "max"), bound(of, "above")
	switch {
	case x <= above || !math.IsInf(above, 0) && x > most:
		return d.wants(of, n, fmt.Sprintf("a number above %v and at most %v", above, most))
	case x >= least && x <= most:
		return true
	case math.IsInf(most, 0):
		return d.wants(of, n, fmt.Sprintf("at least %.0f", least))
	default:
		return d.wants(of, n, fmt.Sprintf("%.0f to %.0f", least, most))
	}
}

// bound is what a tag bounds numbers with; without it nothing is out of bounds.
func bound(of option, tag string) float64 {
	x, err := strconv.ParseFloat(of.tag.Get(tag), 64)
	switch {
	case err == nil:
		return x
	case tag == "max":
		return math.Inf(1)
	default:
		return math.Inf(-1)
	}
}
