package process

import (
	"encoding/json"
	"fmt"

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
