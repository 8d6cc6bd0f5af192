#!/bin/sh
# Runs a step silently and prints one line with its name and time; its output only when it fails.
set -u
name=$1
shift
# Nanoseconds; whole seconds where date knows no %N.
now() { date +%s%N | sed 's/N$/000000000/'; }
began=$(now)
output=$("$@" 2>&1)
code=$?
took=$((($(now) - began) / 1000000))
if [ "$code" -ne 0 ]; then
  printf '%s\n' "$output"
  printf 'FAIL  %-8s %6d ms (code %d)\n' "$name" "$took" "$code" >&2
  exit "$code"
fi
printf 'ok    %-8s %6d ms\n' "$name" "$took"
