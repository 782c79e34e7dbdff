#!/bin/sh
# Makes the Python environment of the tests in the folder $1, unless it is there
# and has what test/requirements.txt says.
set -eu

env="$1"
wanted="$(dirname "$0")/requirements.txt"
cmp -s "$wanted" "$env/requirements.txt" && exit 0
echo "making the Python environment of the tests in $env"
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
	echo "tests need Python 3 with venv, please install python3-venv" >&2
	exit 1
fi
rm -rf "$env"
python3 -m venv "$env"
"$env/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
cp "$wanted" "$env/requirements.txt"
