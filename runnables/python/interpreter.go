package python

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/ekiben/ekiben/runnables"
	"github.com/ekiben/ekiben/runnables/process"
)

// find is the path of a runner's interpreter.
func find(o Options, r runnables.Runner) (string, error) {
	name, origin := r.Python, "python: of the runner, or EKIBEN_PYTHON"
	if name == "" {
		name, origin = o.Interpreter, "of this binary"
	}
	if name == "" {
		name, origin = defaultInterpreter, "by default; python: of the runner or EKIBEN_PYTHON name another"
	}
	if strings.ContainsRune(name, filepath.Separator) && !filepath.IsAbs(name) {
		// A virtual environment beside the runners file. Links are not followed: it
		// would not be one any more.
		abs, err := filepath.Abs(filepath.Join(r.Dir, name))
		if err != nil {
			return "", fmt.Errorf("python %q: %w", name, err)
		}
		name = abs
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("there is no Python interpreter %q (%s): %w", name, origin, err)
	}
	return path, nil
}

// probe tells what an interpreter has, in the words of any Python, in its last
// line: sitecustomize and the like may write others before. It imports nothing that
// takes long.
const probe = `import sys
sys.stdout.write("\n%d.%d " % tuple(sys.version_info[:2]))
if sys.version_info >= (3, 9):
    import importlib.util
    sys.stdout.write("numpy" if importlib.util.find_spec("numpy") else "bare")
`

// longestProbe is how long an interpreter may take to answer.
const longestProbe = 30 * time.Second

// check makes sure that an interpreter can run the bridge.
func check(ctx context.Context, c process.Command, r runnables.Runner) error {
	ctx, cancel := context.WithTimeout(ctx, longestProbe)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Path, "-c", probe)
	cmd.Dir = r.Dir
	cmd.WaitDelay = time.Second // for who is started by a script that was killed
	cmd.Env = c.Environment(runnables.Setup{Runner: r})
	out, err := cmd.Output()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		says := ""
		// What is no Python may complain of the program that it was given.
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && !bytes.Contains(exit.Stderr, []byte("sys.version_info")) {
			says = strings.TrimSpace(string(exit.Stderr))
		}
		if says != "" {
			return fmt.Errorf("%s is no Python that works: %w: %s", c.Path, err, says)
		}
		return fmt.Errorf("%s is no Python that works: %w", c.Path, err)
	}
	version, has, _ := strings.Cut(string(out[bytes.LastIndexByte(out, '\n')+1:]), " ")
	var major, minor int
	_, err = fmt.Sscanf(version, "%d.%d", &major, &minor)
	switch {
	case err != nil:
		return fmt.Errorf("%s is no Python that works: it does not tell its version, want 3.9 or later", c.Path)
	case has == "numpy":
		return nil
	case has == "bare":
		return fmt.Errorf("%s, which is Python %s, has no numpy: run %s -m pip install numpy", c.Path, version, c.Path)
	default:
		return fmt.Errorf("%s is Python %s, want 3.9 or later", c.Path, version)
	}
}
