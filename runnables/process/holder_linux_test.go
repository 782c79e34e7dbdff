package process_test

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// beHolder traces a process until its standard input ends, so that the process
// stays as the kernel would keep one that is stuck in it.
func beHolder() {
	runtime.LockOSThread()
	pid, err := strconv.Atoi(os.Getenv("HELD"))
	if err == nil {
		err = unix.PtraceSeize(pid)
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
}
