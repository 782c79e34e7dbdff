package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ekiben/ekiben/runnables/process"
)

// beSecretive keeps secrets, and says whether the kernel does, and whether it can still
// read its own files.
func beSecretive() {
	err := process.KeepSecrets()
	dumpable, got := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	files, own := os.ReadDir("/proc/self/fd") // as metrics do
	fmt.Println(err, dumpable, got, len(files) > 0, own)
}

func TestAProcessThatKeepsSecretsCannotBeRead(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), self(t).Path)
	cmd.Env = append(os.Environ(), role+"=secretive")
	out, err := cmd.Output()
	if got := strings.TrimSpace(string(out)); err != nil || got != "<nil> 0 <nil> true <nil>" {
		t.Errorf("it says %q, %v", got, err)
	}
}
