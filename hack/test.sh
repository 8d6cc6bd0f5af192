#!/usr/bin/env bash
# All tests in one run. The programs of Kubernetes, which take minutes to build on a new machine, are built beside the
# tests that do not need them; whoever needs them waits. Its last line is that of vitest.
set -euo pipefail
cd "$(dirname "$0")/.."

# A group of its own, so that what it started ends with it.
setsid nice -n 19 hack/cluster/build.sh >/dev/null &
build=$!
trap 'kill -- "-$build" 2>/dev/null || true' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

code=0
vitest run || code=$?
exit "$code"
