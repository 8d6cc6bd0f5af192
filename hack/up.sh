#!/bin/sh
# An all-in-one cluster for trying things out: auth and node in one process, embedded storage, data in .cache/up.
# Ends with Ctrl-C; the data stays until "make clean".
set -eu
cd "$(dirname "$0")/.."
mkdir -p -m 700 .cache .cache/up
config=$PWD/.cache/up/gatehouse.yaml
[ -e "$config" ] || bin/gatehouse configure --data-dir="$PWD/.cache/up/data" --output="$config"
GATEHOUSE_GUIDE=yes exec bin/gatehouse start --config="$config" "$@"
