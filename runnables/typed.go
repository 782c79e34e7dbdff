package runnables

import "context"

// ResultName is the name of the one output of a method made by an adapter.
const ResultName = "result"

// Batch makes a batchable method of a function that answers many values at
// once: out[i] answers in[i], and there must be as many. The method has one
// argument, named arg, and one output, named [ResultName]; both have the rows
// along dimension 0.
//
// The Go types say what the values are:
//
//	bool, integers, floats     BOOL, INT8 … UINT64, FP32, FP64; shape [-1]
//	                           (int and uint are INT64 and UINT64)
//	[]float32, []int, …        the same with shape [-1,-1], all rows of one length
//	[4]float32, …              the same with shape [-1,4]
//	string                     BYTES of text
//	[]byte                     BYTES, opaque
//	structs, maps, pointers,   BYTES of JSON, one document a row;
//	other slices,              a struct is one output, not one a field
//	json.RawMessage, any
//
// A function fails the whole batch with an error, or single rows with
// [RowErrors], for which it still returns all rows. JSON that does not fit its
// Go type fails that row alone; the function does not see it. A method whose
// types cannot be values is refused by [New].
//
// Arguments are the function's to keep and to change.
func Batch[In, Out any](name, arg string, fn func(ctx context.Context, in []In) ([]Out, error)) Method {
	in, err := oneArgument[In](arg)
	return adapt(batchable(name), in, err, fn)
}

// BatchArgs is [Batch] for functions of several arguments. Args is a struct of
// which every exported field is an argument, named by its json tag or else like
// the field; all are required. in[i] has the i-th row of each of them.
func BatchArgs[Args, Out any](name string, fn func(ctx context.Context, in []Args) ([]Out, error)) Method {
	in, err := structArguments[Args]()
	return adapt(batchable(name), in, err, fn)
}

// Single makes a method that is not batchable of a function of one value. The
// argument, named arg, and the output, named [ResultName], are what one row is
// for [Batch]: a number or string is a scalar, a slice of numbers has shape
// [-1], a struct is one JSON document.
func Single[In, Out any](name, arg string, fn func(ctx context.Context, in In) (Out, error)) Method {
	in, err := oneArgument[In](arg)
	return adapt(single(name), in, err, oneByOne(fn))
}

// SingleArgs is [Single] for functions of several arguments; see [BatchArgs].
func SingleArgs[Args, Out any](name string, fn func(ctx context.Context, in Args) (Out, error)) Method {
	in, err := structArguments[Args]()
	return adapt(single(name), in, err, oneByOne(fn))
}

// oneByOne makes a function of one value look like one of many.
func oneByOne[In, Out any](fn func(context.Context, In) (Out, error)) func(context.Context, []In) ([]Out, error) {
	return func(ctx context.Context, in []In) ([]Out, error) {
		out, err := fn(ctx, in[0])
		return []Out{out}, err
	}
}

func batchable(name string) Method { return Method{Signature: Signature{Name: name, Batchable: true}} }
func single(name string) Method    { return Method{Signature: Signature{Name: name}} }
