#!/usr/bin/env bash
# The stories on Kubernetes, from a machine without a cluster, phase by phase with its time. The cluster goes when this
# ends, unless it was up by hand. GATEHOUSE_E2E_CLUSTER=existing: on the cluster of KUBECONFIG, with its own images.
# Usage: e2e.sh [TEST FILE...]; all stories without one.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD/hack/cluster
# shellcheck source=hack/cluster/places.sh
. "$here/places.sh"

build() { "$here/build.sh" >/dev/null; }
up() { "$here/up.sh" --while $$ >/dev/null; }
image() { hack/image/build.sh --report >/dev/null; }
stories() { vitest run --project kubernetes "$@"; }

if [ "${GATEHOUSE_E2E_CLUSTER:-}" != existing ]; then
  phase "all programs" build
  phase "cluster" up
  phase "image" image
fi
[ $# -gt 0 ] || set -- test/e2e/kubernetes
phase "stories" stories "$@"
