package ekiben

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// bulkState is what is noted beside the output until it is complete.
type bulkState struct {
	// Gateway, Digest (the SHA-256 of the input), Lines, Runner and Method say which
	// call it is. Lines: each line of the file is an input.
	Gateway string `json:"gateway"`
	Digest  string `json:"digest"`
	Lines   bool   `json:"lines,omitempty"`
	Runner  string `json:"runner"`
	Method  string `json:"method"`
	// Key makes the gateway know the upload again, Batch is what came of it.
	Key   string `json:"key"`
	Batch string `json:"batch,omitempty"`
}

// differs says in what another call is not this one; "" is in nothing.
func (s *bulkState) differs(other *bulkState) string {
	var in []string
	for _, what := range []struct {
		name string
		same bool
	}{
		{"--url", s.Gateway == other.Gateway},
		{"the runner", s.Runner == other.Runner},
		{"the method", s.Method == other.Method},
		{"--lines", s.Lines == other.Lines},
		{"what is in the file", s.Digest == other.Digest},
	} {
		if !what.same {
			in = append(in, what.name)
		}
	}
	return strings.Join(in, ", ")
}

func (c *bulkCall) statePath() string { return c.out + ".state" }

// state reads what was noted, or begins anew.
func (c *bulkCall) state() (bulkState, error) {
	if info, err := os.Stat(c.out); err == nil && info.IsDir() {
		return bulkState{}, fmt.Errorf("--out: %s is a folder, want a file", c.out)
	}
	sum, err := digestOf(c.in)
	if err != nil {
		return bulkState{}, fmt.Errorf("--file: %w", err)
	}
	fresh := bulkState{
		Gateway: strings.TrimSuffix(c.remote.url, "/"), Digest: sum, Lines: c.raw,
		Runner: c.runner, Method: c.method, Key: rand.Text(),
	}
	raw, err := os.ReadFile(c.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, c.save(fresh)
	}
	if err != nil {
		return bulkState{}, fmt.Errorf("read what was begun: %w", err)
	}
	var was bulkState
	if err := json.Unmarshal(raw, &was); err != nil {
		return bulkState{}, fmt.Errorf("%s cannot be read (remove it to begin anew): %w", c.statePath(), err)
	}
	switch in := was.differs(&fresh); {
	case in == "":
		return was, nil
	case was.Batch == "": // nothing came of it
		return fresh, c.save(fresh)
	default:
		return bulkState{}, fmt.Errorf("%s is of another call, batch %s: %s changed since; remove it to begin anew", c.statePath(), was.Batch, in)
	}
}

// digestOf is the SHA-256 of a file.
func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func (c *bulkCall) save(s bulkState) error {
	raw, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(c.statePath()+".new", append(raw, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(c.statePath()+".new", c.statePath())
	}
	if err != nil {
		return fmt.Errorf("note what is begun: %w", err)
	}
	return nil
}
