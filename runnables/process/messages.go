package process

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/ekiben/ekiben/runnables"
)

// startMessage is the body of START.
type startMessage struct {
	Protocol int    `json:"protocol"`
	Runner   string `json:"runner"`
	Instance int    `json:"instance"`
	Runnable string `json:"runnable"`
	Target   string `json:"target"`

	Init     runnables.Init `json:"init"`
	Models   []string       `json:"models,omitempty"`
	Describe bool           `json:"describe"`

	// MaxBatchSize is in rows; Batchable has the methods that have another one.
	MaxBatchSize int            `json:"max_batch_size"`
	Batchable    map[string]int `json:"batchable"`

	Place placeMessage `json:"place"`
}

// MarshalJSON keeps the numbers of Init apart: 2.0 is no integer in Python.
func (m startMessage) MarshalJSON() ([]byte, error) {
	type plain startMessage
	init, err := exact("init", reflect.ValueOf(m.Init))
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		plain
		Init any `json:"init"`
	}{plain(m), init})
}

// exact is a value of init whose JSON has a point, or an exponent, in each number
// that is a float. path names it in errors. What JSON writes as it likes, such as
// structs, stays as it is.
func exact(path string, v reflect.Value) (any, error) {
	if !v.IsValid() {
		return nil, nil
	}
	switch v.Interface().(type) {
	case json.Marshaler, encoding.TextMarshaler, []byte:
		return v.Interface(), nil
	}
	switch kind := v.Kind(); {
	case kind == reflect.Interface || kind == reflect.Pointer:
		return exact(path, v.Elem())
	case v.CanFloat():
		return exactFloat(path, v.Float(), v.Interface())
	case kind == reflect.Map && !v.IsNil() && v.Type().Key().Kind() == reflect.String:
		return exactMap(path, v)
	case kind == reflect.Array || kind == reflect.Slice && !v.IsNil():
		return exactList(path, v)
	default:
		return v.Interface(), nil
	}
}

func exactMap(path string, v reflect.Value) (any, error) {
	all := make(map[string]any, v.Len())
	for _, key := range v.MapKeys() {
		member, err := exact(path+"."+key.String(), v.MapIndex(key))
		if err != nil {
			return nil, err
		}
		all[key.String()] = member
	}
	return all, nil
}

func exactList(path string, v reflect.Value) (any, error) {
	all := make([]any, v.Len())
	for i := range all {
		element, err := exact(path+"["+strconv.Itoa(i)+"]", v.Index(i))
		if err != nil {
			return nil, err
		}
		all[i] = element
	}
	return all, nil
}

// exactFloat is the JSON of a number that is no integer even if it is whole.
func exactFloat(path string, x float64, v any) (any, error) {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return nil, fmt.Errorf("%s is %v, which JSON cannot write: leave it out, or name it with a string", path, x)
	}
	text, err := json.Marshal(v)
	if err == nil && !strings.ContainsAny(string(text), ".eE") {
		text = append(text, ".0"...)
	}
	return json.RawMessage(text), err
}

// writeStart is the body of START.
func writeStart(m startMessage) (json.RawMessage, error) {
	body, err := json.Marshal(m)
	if own, ok := errors.AsType[*json.MarshalerError](err); ok {
		err = own.Err
	}
	return body, err
}

// placeMessage is where the instance runs, as its process sees it: devices are
// numbered from 0, whichever of the machine they are.
type placeMessage struct {
	Devices []string `json:"devices"`
	Threads int      `json:"threads"`
}

// readyMessage is the body of READY.
type readyMessage struct {
	Protocol  int                   `json:"protocol"`
	Language  string                `json:"language"`
	PID       int                   `json:"pid"`
	Resources resourcesMessage      `json:"resources"`
	Methods   []runnables.Signature `json:"methods"`
}

// resourcesMessage are the resources of a class.
type resourcesMessage struct {
	NvidiaGPU      bool     `json:"nvidia_gpu"`
	NoCPU          bool     `json:"no_cpu"`
	MultiThreading bool     `json:"multi_threading"`
	Custom         []string `json:"custom"`
}

// reason is why an instance could not be made or a call failed.
type reason string

const (
	reasonImport    reason = "import"
	reasonSignature reason = "signature"
	reasonInit      reason = "init"
	reasonProtocol  reason = "protocol"
	reasonInput     reason = "input"
	reasonOutput    reason = "output"
	reasonMemory    reason = "memory"
	reasonRetryable reason = "retryable"
	reasonRunner    reason = "runner"
)

// failure is the body of FAILED and ERROR, and the error of a row.
type failure struct {
	Reason    reason `json:"reason"`
	Message   string `json:"message"`
	Traceback string `json:"traceback,omitempty"`
}

// rowFailures are the tail of a RESULT: rows that failed.
type rowFailures map[int]failure

// appendMessage appends a frame with a JSON body.
func appendMessage(dst []byte, kind frameKind, id uint64, message any) ([]byte, error) {
	body, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("write a %s frame: %w", kind, err)
	}
	start := len(dst)
	dst = append(appendHeader(dst, kind, id), body...)
	return dst, setLength(dst[start:])
}

// parseMessage reads the JSON body of a frame.
func parseMessage(kind frameKind, body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%w: a %s frame: %w", errProtocol, kind, err)
	}
	return nil
}
