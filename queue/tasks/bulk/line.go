package bulk

import (
	"fmt"

	"github.com/ekiben/ekiben/queue"
)

// line is one on its way from the input to a part. It belongs to its run, but for
// what its sender reads of it.
type line struct {
	lineCall

	// n counts lines that are not blank, from 0; number is what an editor says.
	n, number int
	id        string

	stage stage
	// lost is how often its job was gone.
	lost   int
	status int
	answer []byte
}

// stage is how far a line has come.
type stage int

const (
	fresh   stage = iota // it is no job yet
	leaving              // its sender has it
	queued               // it is a job
	over                 // its outcome is known
)

// size is about what the line takes in memory.
func (l *line) size() int { return len(l.body) + len(l.answer) + 256 }

// failed reports whether the line goes to the errors.
func (l *line) failed() bool { return l.status < 200 || l.status > 299 }

// end notes what became of a line, which needs its body no more.
func (l *line) end(status int, answer []byte) {
	l.stage, l.status, l.answer, l.body = over, status, answer, nil
}

// name gives a line the id that its job has whoever submits it.
func (l *line) name(batch string) error {
	id := queue.IDFor(l.runner, fmt.Sprintf("batch:%s:%d", batch, l.n))
	if _, err := queue.RunnerOf(id); err != nil {
		return fmt.Errorf("there is no runner %q", cut(l.runner))
	}
	l.id = id
	return nil
}
