package runnerfile

import (
	"fmt"
	"regexp"
	"strings"
)

// Lookup finds an environment variable, as [os.LookupEnv] does.
type Lookup func(name string) (value string, set bool)

// expand replaces the variables in the texts of a node and below, never in keys:
// ${NAME} and ${NAME:-default}. The default is for a variable that is not set or
// empty. $$ is a dollar. What is wrong is noted where the key is.
func expand(n *node, at place, lookup Lookup, fs *faults) {
	for _, item := range n.items {
		expand(item, item.at, lookup, fs)
	}
	for _, f := range n.fields {
		expand(f.value, f.at, lookup, fs)
	}
	text, ok := n.value.(string)
	if !ok || !strings.Contains(text, "$") {
		return
	}
	out, whole, err := expandText(text, lookup)
	if err != nil {
		fs.add(at, "%s", err)
		n.unknown = true
		return
	}
	n.value, n.text = out, out
	if whole {
		n.variable, n.reread, n.structure = true, out, structureOf(out, n.at)
		if n.structure == nil {
			n.reread = scalarOf(out)
		}
	}
}

var variablePattern = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$`)

// expandText is expand of one text. whole: it is one variable and nothing else.
func expandText(text string, lookup Lookup) (out string, whole bool, err error) {
	var b strings.Builder
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "$")
		b.WriteString(before)
		switch {
		case !found:
			rest = ""
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			rest = after[1:]
		case !strings.HasPrefix(after, "{"):
			b.WriteByte('$')
			rest = after
		default:
			inner, behind, closed := strings.Cut(after[1:], "}")
			if !closed {
				return "", false, fmt.Errorf("%q has a ${ without a }; write $${ for the two characters", text)
			}
			value, err := variable(inner, lookup)
			if err != nil {
				return "", false, err
			}
			b.WriteString(value)
			whole = before == "" && behind == "" && len(rest) == len(text)
			rest = behind
		}
	}
	return b.String(), whole, nil
}

// variable is what ${inner} stands for.
func variable(inner string, lookup Lookup) (string, error) {
	parts := variablePattern.FindStringSubmatch(inner)
	if parts == nil || strings.Contains(parts[2], "${") {
		return "", fmt.Errorf("${%s} is not a variable: want ${NAME} or ${NAME:-default}, none in another; write $${ for the two characters", inner)
	}
	value, set := lookup(parts[1])
	switch {
	case value != "":
		return value, nil
	case strings.Contains(inner, ":-"):
		return parts[2], nil
	case !set:
		return "", fmt.Errorf("variable %s is not set, and ${%s} has no default", parts[1], inner)
	default:
		return "", nil
	}
}
