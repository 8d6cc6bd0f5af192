#!/usr/bin/env bash
# Takes the test cluster down and leaves nothing of it: no process, mount, link, route, cgroup or file (programs stay in the
# cache). Usage: down.sh [--after PID], which only ends the use by that process: the cluster goes when nobody else uses it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=hack/cluster/places.sh
. "$here/places.sh"
need_root
take_lock

case ${1:-} in
  '') ;;
  --after)
    rm -f "$users/${2:?}"
    [ -z "$(ls -A "$users" 2>/dev/null)" ] || exit 0
    ;;
  *) fail "usage: down.sh [--after PID]" ;;
esac

# shellcheck source=hack/cluster/clear.sh
. "$here/clear.sh"
clear_node
rm -rf "$state"
echo "cluster: down" >&2
