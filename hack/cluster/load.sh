#!/usr/bin/env bash
# Loads an image into the running test cluster, which has no registry, unless it is there. Usage: load.sh [--if-up]
# IMAGE.tar, an archive as of docker save; --if-up: no cluster is no failure.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=hack/cluster/places.sh
. "$here/places.sh"

if_up=no
if [ "${1:-}" = --if-up ]; then if_up=yes && shift; fi
[ $# = 1 ] || fail "usage: load.sh [--if-up] IMAGE.tar"
archive=$(realpath "$1")
if [ "$if_up" = yes ] && [ -z "$(node_pid)" ]; then exit 0; fi
need_root
[ -n "$(node_pid)" ] || fail "the cluster is not up; run make cluster-up"

# The manifest names every layer by its digest.
mkdir -p "$state/loaded"
stamp=$state/loaded/$(tar --extract --to-stdout --file "$archive" manifest.json | sha256sum | cut -c1-64)
[ ! -e "$stamp" ] || exit 0

load() {
  in_node ctr -n k8s.io images import "$archive" >>"$logs/images.log" 2>&1 && return 0
  tail -n 3 "$logs/images.log" >&2
  return 1
}
phase "load $(basename "$archive")" load
touch "$stamp"
