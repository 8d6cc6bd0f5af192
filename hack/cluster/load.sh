#!/usr/bin/env bash
# Loads images into the running test cluster, which has no registry. Usage: load.sh IMAGE.tar... (docker save, OCI layout)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=hack/cluster/places.sh
. "$here/places.sh"
need_root
[ -n "$(node_pid)" ] || fail "the cluster is not up; run make cluster-up"

load() { in_node ctr -n k8s.io images import "$(realpath "$1")" >>"$logs/images.log" 2>&1 || tail -n 3 "$logs/images.log" >&2; }

for archive in "$@"; do
  phase "load $(basename "$archive")" load "$archive"
done
