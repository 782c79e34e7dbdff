package runnables

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// MaxNameLen is the longest name of a runner or method.
const MaxNameLen = 63

// ReservedPrefix begins the names of the runners that gateways make of their
// services. No other runner may have such a name.
const ReservedPrefix = "service."

var namePattern = regexp.MustCompile(`^[a-z0-9]([-._a-z0-9]*[a-z0-9])?$`)

// ValidName reports why name cannot name a runner or a method, or nil.
func ValidName(name string) error {
	if isName(name) {
		return nil
	}
	err := fmt.Errorf("name %q must match %s and have at most %d characters", name, namePattern, MaxNameLen)
	if lower := strings.ToLower(name); isName(lower) {
		return fmt.Errorf("%w, as %s does", err, lower)
	}
	return err
}

func isName(name string) bool { return len(name) <= MaxNameLen && namePattern.MatchString(name) }

// SharedOptions are the options that a runners file may give for all of its
// runners, among their names. No runner may have such a name.
func SharedOptions() []string {
	return []string{"batching", "resources", "logging", "metrics", "traffic", "workers_per_resource"}
}

// Reserved reports why no runner that a user defines may have the name, or nil.
func Reserved(name string) error {
	if strings.HasPrefix(name, ReservedPrefix) {
		return fmt.Errorf("name %q: names that begin with %s are those of services", name, ReservedPrefix)
	}
	if slices.Contains(SharedOptions(), name) {
		return fmt.Errorf("name %q is reserved: in a runners file it is an option of all runners", name)
	}
	return nil
}

// validTag reports why tag is not that of a stored model, name or name:version,
// or nil.
func validTag(tag string) error {
	name, version, versioned := strings.Cut(tag, ":")
	if !isName(name) || versioned && !isName(version) {
		return fmt.Errorf("%q, want name or name:version, each of which matches %s and has at most %d characters", tag, namePattern, MaxNameLen)
	}
	return nil
}
