package runnerfile

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/ekiben/ekiben/runnables"
)

// Options that can be written in several ways.

// quantity is an amount of a resource. Null is given too: it is nothing in
// particular, which may be less than what holds for all runners.
type quantity struct {
	given bool
	value runnables.Quantity
}

func (q *quantity) decode(d decoder, of option, n *node) bool {
	raw := n.any()
	if n.variable {
		raw = n.meaning()
	}
	v, err := runnables.ParseQuantity(raw)
	if err != nil {
		return d.fault(of, "%s: %s", of.name, err)
	}
	*q = quantity{true, v}
	return true
}

// resources are amounts by the names that BentoML has for them, or all of the
// machine.
type resources struct {
	given   bool
	all     bool
	amounts map[string]quantity
}

// The names of resources that have options of their own.
const (
	cpuResource = "cpu"
	gpuResource = "nvidia.com/gpu"
)

func (r *resources) decode(d decoder, of option, n *node) bool {
	if n.null() || n.value == "system" {
		*r = resources{given: true, all: true}
		return true
	}
	if n.form != table {
		return d.wants(of, n, `a map of amounts, system or null`)
	}
	amounts := &node{at: n.at, form: table}
	for _, f := range n.fields {
		if f.key == "gpu" || f.key == "nvidia_gpu" {
			o := of.in(f.key, f.at)
			d.fault(o, "unknown field %q; here it is %s", o.name, gpuResource)
			continue
		}
		amounts.fields = append(amounts.fields, f)
	}
	r.given = true
	return d.into(reflect.ValueOf(&r.amounts).Elem(), of, amounts)
}

// batching is a way to wait, or limits of batches.
type batching struct {
	policy *string
	batchingEntry
}

// policies are the ways to wait.
type policies struct {
	Policy string `yaml:"policy" enum:"none|fixed|adaptive"`
}

func (b *batching) decode(d decoder, of option, n *node) bool {
	switch {
	case n.null():
		return true
	case n.form == table:
		return d.into(reflect.ValueOf(&b.batchingEntry).Elem(), of, n)
	}
	var p policies
	of.tag = fieldsOf(reflect.TypeFor[policies]())["policy"].Tag
	if !d.text(reflect.ValueOf(&p.Policy).Elem(), of, n) {
		return false
	}
	b.policy = &p.Policy
	return true
}

// traffic is a map that BentoML has.
type traffic struct{ trafficEntry }

func (t *traffic) decode(d decoder, of option, n *node) bool {
	if n.null() {
		return true
	}
	if !d.into(reflect.ValueOf(&t.trafficEntry).Elem(), of, n) {
		return false
	}
	if t.Timeout != nil {
		f, _ := n.field("timeout")
		o := of.in("timeout", f.at)
		d.fault(o, "%s cannot be given: a call's deadline is its client's (Ekiben-Timeout) or its gateway's (EKIBEN_REQUEST_TIMEOUT)", o.name)
	}
	return true
}

// methodConfigs are limits of methods, in the order of the file.
type methodConfigs struct{ all []methodEntry }

func (m *methodConfigs) decode(d decoder, of option, n *node) bool {
	switch {
	case n.null():
		return true
	case n.form == table:
		for _, f := range n.fields {
			e := methodEntry{Name: f.key}
			if !f.value.null() {
				d.into(reflect.ValueOf(&e.limits).Elem(), of.in(f.key, f.at), f.value)
			}
			m.add(d, of.in(f.key, f.at), e)
		}
	case n.form == list:
		for i, item := range n.items {
			var e methodEntry
			o := of.item(i, item.at)
			if !d.into(reflect.ValueOf(&e).Elem(), o, item) {
				continue
			}
			if e.Name != "" && e.MethodName != "" {
				d.fault(o, "%s: name and method_name say the same: give one of them", o.name)
			}
			e.Name = cmp.Or(e.Name, e.MethodName)
			m.add(d, o, e)
		}
	default:
		return d.wants(of, n, "a list of methods, or a map by their names")
	}
	return true
}

// add takes limits of a method that has none yet.
func (m *methodConfigs) add(d decoder, of option, e methodEntry) {
	switch {
	case e.Name == "":
		d.fault(of, "%s is without a name", of.name)
	case slices.ContainsFunc(m.all, func(other methodEntry) bool { return other.Name == e.Name }):
		d.fault(of, "%s: method %q is there twice", of.name, e.Name)
	default:
		m.all = append(m.all, e)
	}
}

// variableText is the value of an environment variable: text, or what is text to
// a program, such as 4 and true.
type variableText string

func (t *variableText) decode(d decoder, of option, n *node) bool {
	if n.form != scalar || n.null() && !n.variable {
		return d.wants(of, n, "text")
	}
	*t = variableText(n.text)
	return true
}
