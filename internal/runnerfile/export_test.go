package runnerfile

import "reflect"

// Types are the structs of the file and what is read in other ways, by their names.
func Types() map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for _, t := range []reflect.Type{
		reflect.TypeFor[file](), reflect.TypeFor[entry](), reflect.TypeFor[options](), reflect.TypeFor[shared](), reflect.TypeFor[limits](),
		reflect.TypeFor[batchingEntry](), reflect.TypeFor[methodEntry](), reflect.TypeFor[trafficEntry](), reflect.TypeFor[retryEntry](),
		reflect.TypeFor[scheduleEntry](),
	} {
		all[t.Name()] = t
	}
	return all
}
