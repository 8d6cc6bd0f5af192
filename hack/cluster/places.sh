# Names and places that the scripts of this folder agree on; sourced, never run. Expects $here (this folder).
# shellcheck shell=bash disable=SC2034 # used by those that source it

# Outside the repo: binaries and images are large, and survive a fresh clone.
cache=${GATEHOUSE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gatehouse}

kubernetes=$(sed -n 's/^\tk8s\.io\/kubernetes \(v[0-9.]*\)$/\1/p' "$here/go/kubernetes/go.mod")
helm=v3.19.0
programs=(kube-apiserver kubectl etcd kube-controller-manager kube-scheduler kubelet kube-proxy localpv pause coredns helm)

# One folder per set of sources: a changed version is built anew, and two checkouts share what is the same.
sources=$(
  {
    echo "$helm $(uname -m)"
    cd "$here/go" && find . -type f | LC_ALL=C sort | xargs sha256sum
  } | sha256sum | cut -c1-12
)
bin=$cache/kubernetes/$kubernetes-$sources

fail() {
  echo "cluster: $*" >&2
  exit 1
}

# What a step took, on stderr: phase NAME COMMAND...
phase() {
  local name=$1 began
  began=$(date +%s%N)
  shift
  "$@" || fail "$name failed"
  printf 'cluster: %-44s %7.1f s\n' "$name" "$((($(date +%s%N) - began) / 1000000))e-3" >&2
}
