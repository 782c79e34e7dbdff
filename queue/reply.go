package queue

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/ekiben/ekiben/tensor"
)

// A reply travels to its gateway as a field-value pair of a stream entry: the
// call's id and this. It is also what a job's record keeps as its result.
// Version 1:
//
//	0      1      2        3
//	+------+------+--------+-------+
//	| 0xE6 |  1   | status | flags |    status: 0 outputs, 1 error, 2 hint; flags bit 0: retryable
//	+------+------+--------+-------+------------------+
//	| queue | batch | execute (µs) | rows: uvarint    |
//	+-------+-------+--------------+------------------+
//	| outputs: see tensor.AppendNamed                 |   or code and message: uvarint length, bytes
//	+-------------------------------------------------+
//
// A hint says that a job has ended and carries nothing: the record is the truth.
const (
	replyMagic     = 0xE6
	replyVersion   = 1
	replyHeader    = 4
	replyOutputs   = 0
	replyError     = 1
	replyHint      = 2
	replyRetryable = 1 << 0
	maxMessage     = 4096
)

// appendReply appends the reply, without its id, to dst.
func appendReply(dst []byte, r *Reply) []byte {
	status, flags := byte(replyOutputs), byte(0)
	if r.Err != nil {
		status = replyError
		if r.Err.Retryable {
			flags |= replyRetryable
		}
	}
	dst = append(dst, replyMagic, replyVersion, status, flags)
	for _, d := range [...]time.Duration{r.Timing.Queue, r.Timing.Batch, r.Timing.Execute} {
		dst = binary.AppendUvarint(dst, uint64(max(d, 0)/time.Microsecond))
	}
	dst = binary.AppendUvarint(dst, uint64(max(r.Timing.Rows, 0)))
	if r.Err != nil {
		dst = appendString(dst, cut(r.Err.Code, maxField))
		return appendString(dst, cut(r.Err.Message, maxMessage))
	}
	return tensor.AppendNamed(dst, r.Outputs)
}

// replySize is about what the reply takes.
func replySize(r *Reply) int {
	n := replyHeader + 4*binary.MaxVarintLen32 + tensor.NamedSize(r.Outputs)
	if r.Err != nil {
		n += len(r.Err.Code) + len(r.Err.Message)
	}
	return n
}

func appendHint(dst []byte) []byte {
	return append(dst, replyMagic, replyVersion, replyHint, 0, 0, 0, 0, 0)
}

// decodeReply reads a reply; its outputs alias src. hint is true if there is
// nothing in it but that the job has ended.
func decodeReply(src []byte) (r Reply, hint bool, err error) {
	if len(src) < replyHeader || src[0] != replyMagic || src[1] != replyVersion {
		return Reply{}, false, fmt.Errorf("%w: not a reply of version %d", ErrMalformed, replyVersion)
	}
	rest := src[replyHeader:]
	var numbers [4]uint64
	for i := range numbers {
		n, k := binary.Uvarint(rest)
		if k <= 0 || n > 1<<50 {
			return Reply{}, false, fmt.Errorf("%w: the timing of a reply is cut off", ErrMalformed)
		}
		numbers[i], rest = n, rest[k:]
	}
	micros := func(n uint64) time.Duration { return time.Duration(n) * time.Microsecond }
	r.Timing = Timing{micros(numbers[0]), micros(numbers[1]), micros(numbers[2]), int(numbers[3])}
	switch src[2] {
	case replyHint:
		return r, true, nil
	case replyError:
		r.Err, err = decodeCallError(rest, src[3]&replyRetryable != 0)
		return r, false, err
	case replyOutputs:
		r.Outputs, rest, err = tensor.DecodeNamed(rest)
		if err != nil {
			return Reply{}, false, fmt.Errorf("%w: outputs: %w", ErrMalformed, err)
		}
		if len(rest) > 0 {
			return Reply{}, false, fmt.Errorf("%w: %d bytes after the outputs", ErrMalformed, len(rest))
		}
		return r, false, nil
	default:
		return Reply{}, false, fmt.Errorf("%w: reply status %d", ErrMalformed, src[2])
	}
}

func decodeCallError(src []byte, retryable bool) (*CallError, error) {
	code, rest, err := cutString(src)
	if err != nil {
		return nil, err
	}
	n, k := binary.Uvarint(rest)
	if k <= 0 || n > maxMessage || n != uint64(len(rest)-k) {
		return nil, fmt.Errorf("%w: the message of a reply is cut off or too long", ErrMalformed)
	}
	return &CallError{Code: code, Message: string(rest[k:]), Retryable: retryable}, nil
}

// cut shortens s to at most n bytes.
func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
