#!/bin/sh
# Runs the benchmarks one after another (never at once: they would measure each other) and names those that fail.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=''
for file in test/bench/*.bench.ts; do
  [ -e "$file" ] || { echo "bench: no benchmark yet" && exit 0; }
  echo "== $file"
  node --disable-warning=ExperimentalWarning "$file" || failed="$failed $file"
done
[ -z "$failed" ] || { echo "bench: failed:$failed" >&2 && exit 1; }
