#!/bin/sh
# Runs the tests that need a real NVIDIA GPU, those named TestOnARealGPU… behind the
# build tag gputest, and says aloud how many ran: without a GPU none does.
set -u

packages=$(grep -rl --include='*_test.go' '^//go:build.*gputest' . | xargs -n1 dirname | sort -u)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
${GO:-go} test -tags gputest -count=1 -v -run '^TestOnARealGPU' $packages >"$log" 2>&1
status=$?
grep -v -e 'no tests to run' -e 'no test files' -e '^PASS$' "$log"
ran=$(grep -c -e '^--- PASS' -e '^--- FAIL' "$log")
if [ "$status" != 0 ] && [ "$ran" = 0 ]; then
	echo "gpu-test: the tests do not build, 0 tests ran"
elif [ "$ran" = 0 ]; then
	echo "gpu-test: no NVIDIA GPU here, 0 tests ran"
else
	echo "gpu-test: $ran tests ran on a real GPU"
fi
exit "$status"
