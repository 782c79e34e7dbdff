package queue

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ekiben/ekiben/tensor"
)

// The envelope is field "e" of a stream entry: all of a call that scripts need
// not see. Version 1, integers little-endian:
//
//	0      1      2      3      4           8              16
//	+------+------+------+------+-----------+--------------+
//	| 0xE5 |  1   | flags| lane |  attempt  | start within |   bit 0 of flags: job, bit 1: the inputs
//	+------+------+------+------+-----------+--------------+   are apart; start within: µs, 0 is none
//	| id | method | caller | traceparent | tracestate | reply to |   each uvarint length, bytes
//	+----+--------+--------+-------------+------------+----------+
//	| inputs: see tensor.AppendNamed, nothing if they are apart  |
//	+------------------------------------------------------------+
//
// Inputs that are apart are the body that field "b" of the entry names, see body.go.
//
// Beside it is field "m", what scripts must see without decoding: rows, bytes of
// the envelope and of the body, accepted, when execution must have begun, and deadline (µs of
// Redis's clock), the caller's share of the queue or nothing, the id of a job or
// nothing, and the group, as text with a space between them. One field, because
// each costs a script more than to take the text apart.
const (
	envelopeMagic   = 0xE5
	envelopeVersion = 1
	envelopeHeader  = 16
	envelopeJob     = 1 << 0
	envelopeApart   = 1 << 1

	// maxField bounds each string of an envelope.
	maxField = 1024

	// maxMicros is the longest time that fits a [time.Duration].
	maxMicros = uint64(math.MaxInt64 / time.Microsecond)
)

// appendEnvelope appends the call's envelope to dst.
func appendEnvelope(dst []byte, c *Call) []byte {
	var flags byte
	if c.job {
		flags |= envelopeJob
	}
	if c.apart {
		flags |= envelopeApart
	}
	dst = append(dst, envelopeMagic, envelopeVersion, flags, byte(c.Lane.number()))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(c.Attempt))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(c.StartWithin/time.Microsecond))
	for _, s := range [...]string{c.ID, c.Method, c.Caller, c.Trace, "", c.replyTo} {
		dst = appendString(dst, s)
	}
	if c.apart {
		return dst
	}
	return tensor.AppendNamed(dst, c.Inputs)
}

// envelopeSize is at least what the call's envelope takes.
func envelopeSize(c *Call) int {
	n := envelopeHeader
	if !c.apart {
		n += tensor.NamedSize(c.Inputs)
	}
	for _, s := range [...]string{c.ID, c.Method, c.Caller, c.Trace, "", c.replyTo} {
		n += binary.MaxVarintLen16 + len(s)
	}
	return n
}

// decodeEnvelope reads an envelope. The call's inputs alias src; it has none if they
// are apart, until [Call.take]. What is beside the envelope in the entry, and the
// runner, is left zero. If only the inputs cannot be read, the call has all the rest.
func decodeEnvelope(src []byte) (Call, error) {
	if len(src) < envelopeHeader || src[0] != envelopeMagic {
		return Call{}, fmt.Errorf("%w: not an envelope", ErrMalformed)
	}
	if src[1] != envelopeVersion {
		return Call{}, fmt.Errorf("%w: envelope version %d, this program knows %d", ErrMalformed, src[1], envelopeVersion)
	}
	c := Call{
		job:     src[2]&envelopeJob != 0,
		apart:   src[2]&envelopeApart != 0,
		Lane:    laneOf(int(src[3])),
		Attempt: int(binary.LittleEndian.Uint32(src[4:])),

		StartWithin: time.Duration(min(binary.LittleEndian.Uint64(src[8:]), maxMicros)) * time.Microsecond,
	}
	rest := src[envelopeHeader:]
	var reserved string
	for _, field := range [...]*string{&c.ID, &c.Method, &c.Caller, &c.Trace, &reserved, &c.replyTo} {
		var err error
		if *field, rest, err = cutString(rest); err != nil {
			return Call{}, err
		}
	}
	if !c.apart {
		var err error
		c.Inputs, err = decodeInputs(rest)
		return c, err
	}
	if len(rest) > 0 {
		return c, fmt.Errorf("%w: %d bytes after an envelope whose inputs are apart", ErrMalformed, len(rest))
	}
	return c, nil
}

// decodeInputs reads inputs, which alias src.
func decodeInputs(src []byte) ([]tensor.Named, error) {
	inputs, rest, err := tensor.DecodeNamed(src)
	if err != nil {
		return nil, fmt.Errorf("%w: inputs: %w", ErrMalformed, err)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes after the inputs", ErrMalformed, len(rest))
	}
	return inputs, nil
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func cutString(src []byte) (s string, rest []byte, err error) {
	n, k := binary.Uvarint(src)
	if k <= 0 || n > maxField || n > uint64(len(src)-k) {
		return "", nil, fmt.Errorf("%w: a string is cut off or longer than %d bytes", ErrMalformed, maxField)
	}
	return string(src[k : k+int(n)]), src[k+int(n):], nil
}

// checkSpecial refuses what only jobs may have, and what scripts could not read.
func checkSpecial(c *Call) error {
	if special(c) == "" {
		return nil
	}
	if !c.job {
		return fmt.Errorf("%w: only a job can be delayed, tried again or have a webhook", ErrMalformed)
	}
	r := c.Retry
	if c.Delay < 0 || r.Most < 0 || r.Most > 0 && (r.Backoff < time.Millisecond || r.MaxBackoff < r.Backoff) {
		return fmt.Errorf("%w: a delay of %s, %d retries after %s to %s", ErrMalformed, c.Delay, r.Most, r.Backoff, r.MaxBackoff)
	}
	if len(c.Webhook.URL) > 2*maxField || strings.ContainsFunc(c.Webhook.URL, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%w: %q is not the URL of a webhook", ErrMalformed, c.Webhook.URL)
	}
	for _, e := range c.Webhook.Events {
		if !e.Terminal() {
			return fmt.Errorf("%w: a webhook is not told of %q", ErrMalformed, e)
		}
	}
	return nil
}

// checkFields refuses a call that could not be decoded again.
func checkFields(c *Call) error {
	for _, s := range [...]string{c.ID, c.Method, c.Caller, c.Trace, c.replyTo, c.Group} {
		if len(s) > maxField {
			return fmt.Errorf("%w: a field of %d bytes, at most %d", ErrMalformed, len(s), maxField)
		}
	}
	if runner, err := RunnerOf(c.ID); err != nil || runner != c.Runner {
		return fmt.Errorf("%w: %q is not the id of a call of %s", ErrMalformed, c.ID, c.Runner)
	}
	if err := checkSpecial(c); err != nil {
		return err
	}
	if err := tensor.CheckNamed(c.Inputs); err != nil {
		return fmt.Errorf("%w: inputs: %w", ErrMalformed, err)
	}
	if c.Rows < 1 || c.Timeout < time.Microsecond || c.StartWithin < 0 {
		return fmt.Errorf("%w: %d rows with a timeout of %s, to start within %s", ErrMalformed, c.Rows, c.Timeout, c.StartWithin)
	}
	return nil
}
