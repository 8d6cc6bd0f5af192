#!/usr/bin/env bash
# Prints what a shell needs to work with the test cluster: eval "$(hack/cluster/env.sh)".
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=hack/cluster/places.sh
. "$here/places.sh"
# shellcheck disable=SC2016 # for the shell that reads it
printf 'export KUBECONFIG=%q PATH=%q:"$PATH"\n' "$kubeconfig" "$bin"
