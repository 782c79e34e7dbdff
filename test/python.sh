#!/bin/sh
# Makes a Python environment in the folder $1 with the packages of the file $2,
# unless it is there and has them.
set -eu

env="$1"
wanted="$2"
cmp -s "$wanted" "$env/requirements.txt" && exit 0
echo "making a Python environment with $wanted in $env"
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
	echo "tests need Python 3 with venv, please install python3-venv" >&2
	exit 1
fi
rm -rf "$env"
python3 -m venv "$env"
"$env/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
cp "$wanted" "$env/requirements.txt"
