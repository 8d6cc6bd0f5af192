#!/usr/bin/env bash
# Builds the programs of the test cluster from Go modules, each once, into a cache outside the repo, and prints the folder
# that holds them. Nothing is downloaded as a binary, but a Go compiler when the machine's own is too old.
# Usage: build.sh [program...] (all). Knows GATEHOUSE_CACHE; uses and keeps GOCACHE and GOMODCACHE when they are given.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=hack/cluster/places.sh
. "$here/places.sh"

# Taken as a module, so checked against the public checksum database, when Go is older than the modules ask for.
toolchain=go1.24.13

wanted=("$@")
[ $# -gt 0 ] || wanted=("${programs[@]}")

missing() {
  local program
  for program in "${wanted[@]}"; do
    [[ " ${programs[*]} " == *" $program "* ]] || fail "no program $program; there are: ${programs[*]}"
    [ -x "$bin/$program" ] || echo "$program"
  done
}

if [ -z "$(missing)" ]; then
  echo "$bin"
  exit 0
fi

command -v go >/dev/null || fail "go is missing; run make setup, or install Go 1.24 or newer"
# The launchers keep compiled code there too, and only in a folder that is nobody else's.
[ -d "$cache" ] || (umask 077 && mkdir -p "$cache")
mkdir -p "$bin"
exec 9>"$bin.lock"
flock -n 9 || { echo "cluster: waiting for another build" >&2 && flock 9; }

work=$bin.build
mkdir -p "$work/out"
export CGO_ENABLED=0 GOTOOLCHAIN=local GOWORK=off GOFLAGS='-buildvcs=false -modcacherw'
export GOCACHE=${GOCACHE:-$work/cache} GOMODCACHE=${GOMODCACHE:-$work/modules}

# Go older than 1.21 cannot fetch its successor by itself, but can fetch the module that it is.
use_newer_go() {
  local needed found folder
  needed=$(sed -n 's/^go \([0-9]*\.[0-9]*\).*/\1/p' "$here/go/kubernetes/go.mod")
  found=$(go env GOVERSION | sed 's/^go\([0-9]*\.[0-9]*\).*/\1/')
  [ "$(printf '%s\n%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ] || return 0
  echo "cluster: go $found is older than $needed; fetching $toolchain for this build" >&2
  folder=golang.org/toolchain@v0.0.1-$toolchain.$(go env GOOS)-$(go env GOARCH)
  (cd "$work" && go mod download "$folder") || fail "cannot fetch $toolchain; install Go $needed or newer"
  folder=$GOMODCACHE/$folder
  chmod +x "$folder"/bin/*
  find "$folder/pkg/tool" -type f -exec chmod +x {} +
  unset GOROOT
  PATH=$folder/bin:$PATH
}

set_version=k8s.io/component-base/version
ldflags="-s -w -X $set_version.gitVersion=$kubernetes -X $set_version.gitTreeState=clean"
ldflags+=" -X $set_version.gitMajor=1 -X $set_version.gitMinor=$(cut -d. -f2 <<<"$kubernetes")"

# compile FOLDER OUTPUT PACKAGE...; the messages of the downloads are left out.
compile() {
  local folder=$1 output=$2
  shift 2
  (cd "$here/go/$folder" && go build -trimpath -ldflags "$ldflags" -o "$output" "$@") 2> >(grep -v '^go: downloading' >&2)
}

install_helm() {
  (cd "$work" && GOBIN=$work/out go install -trimpath -ldflags '-s -w' "helm.sh/helm/v3/cmd/helm@$helm") \
    2> >(grep -v '^go: downloading' >&2)
}

# A program is in its place only when it is whole.
keep() { mv "$work/out/"* "$bin/"; }

is_missing() { [[ " $todo " == *" $1 "* ]]; }

# Those that tests of the API need come first; the others of Kubernetes share most of their packages with them.
build_missing() {
  local group program packages
  for group in 'kube-apiserver kubectl' etcd 'kube-controller-manager kube-scheduler kubelet kube-proxy' 'localpv pause'; do
    packages=()
    for program in $group; do
      is_missing "$program" || continue
      case $program in
        etcd) packages+=(go.etcd.io/etcd/server/v3) ;;
        localpv | pause) packages+=("./$program") ;;
        *) packages+=("k8s.io/kubernetes/cmd/$program") ;;
      esac
    done
    [ ${#packages[@]} -gt 0 ] || continue
    if [ "$group" = etcd ]; then
      phase "build etcd" compile kubernetes "$work/out/etcd" "${packages[@]}"
    else
      phase "build ${packages[*]##*/}" compile kubernetes "$work/out/" "${packages[@]}"
    fi
    keep
  done
  if is_missing coredns; then
    phase "build coredns" compile coredns "$work/out/coredns" .
    keep
  fi
  if is_missing helm; then
    phase "build helm" install_helm
    keep
  fi
}

use_newer_go
todo=$(missing | tr '\n' ' ')
build_missing

# Five gigabytes that serve nothing once all programs are there.
wanted=("${programs[@]}")
[ -n "$(missing)" ] || rm -rf "$work"
echo "$bin"
