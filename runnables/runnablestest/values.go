package runnablestest

import "github.com/ekiben/ekiben/tensor"

// Strings is an argument or output of BYTES. It panics when the shape has
// another number of elements.
func Strings(name string, shape []int, items ...string) tensor.Named {
	return named(name)(tensor.OfStrings(shape, items))
}

// Values is an argument or output of numbers. It panics when the shape has
// another number of elements.
func Values[T tensor.Element](name string, shape []int, values ...T) tensor.Named {
	return named(name)(tensor.Of(shape, values))
}

func named(name string) func(tensor.Tensor, error) tensor.Named {
	return func(t tensor.Tensor, err error) tensor.Named {
		if err != nil {
			panic(err)
		}
		return tensor.Named{Name: name, Tensor: t}
	}
}
