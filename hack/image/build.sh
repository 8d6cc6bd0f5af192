#!/usr/bin/env bash
# Builds the product's image without a registry and without docker: Debian, node, packages, Gatehouse, and what node
# compiles of it at its first start, each a layer. Prints the archive (as of docker save), its tag and its version.
# Usage: build.sh [--tag TAG] [--variant=next|broken] [--report]; --report tells size and start time. Knows
# GATEHOUSE_CACHE. Needs root, for debootstrap and mounts.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../cluster" && pwd)
# shellcheck source=hack/cluster/places.sh
. "$here/places.sh"
# shellcheck source=hack/cluster/archive.sh
. "$here/archive.sh"
image=$(cd "$here/../image" && pwd)
# shellcheck source=hack/image/base.sh
. "$image/base.sh"
root=$(cd "$here/../.." && pwd)

tag='' variant='' report=no
while [ $# -gt 0 ]; do
  case $1 in
    --tag) tag=${2:?} && shift ;;
    --report) report=yes ;;
    --variant=next | --variant=broken) variant=${1#--variant=} ;;
    *) fail "usage: hack/image/build.sh [--tag TAG] [--variant=next|broken] [--report]" ;;
  esac
  shift
done

[ "$(id -u)" = 0 ] || fail "make image needs root (debootstrap, mounts); without it use the Dockerfile: docker build -t gatehouse ."
node=$root/node_modules/node/bin/node
[ -x "$node" ] || fail "run make setup first"

version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$root/package.json")
# What an upgrade goes to: the next patch version of the same content, and one that is no good.
case $variant in
  next) version=${version%.*}.$((${version##*.} + 1)) ;;
  broken) version=${version%.*}.$((${version##*.} + 1))-broken ;;
esac
tag=${tag:-$version}

store=$cache/image
[ -d "$cache" ] || (umask 077 && mkdir -p "$cache")
mkdir -p "$store"
exec 9>"$store/lock"
flock 9

work=$(mktemp -d "$store/work.XXXXXX")
clean_up() {
  mountpoint -q "$work/merged" && umount "$work/merged"
  rm -rf "$work"
}
trap clean_up EXIT
umask 022

key_of() { cat "$@" | sha256sum | cut -c1-12; }
node_version=$("$node" --version)
base=$store/base-$(key_of "$image/base.sh")
runtime=$store/node-$node_version-$(key_of "$node")

new_base() {
  command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap debian-archive-keyring; } </dev/null >&2
  rm -rf "$store"/base-*
  make_base "$base.new"
  layer "$base.new" "$base.tar.new"
  mv "$base.new" "$base"
  mv "$base.tar.new" "$base.tar"
}

# The programs are reached by name; the launchers look for node beside them.
new_runtime() {
  rm -rf "$store"/node-*
  mkdir -p "$runtime.new/usr/local/bin" "$runtime.new/opt/gatehouse/node_modules/node/bin"
  cp "$node" "$runtime.new/usr/local/bin/node"
  ln -s /usr/local/bin/node "$runtime.new/opt/gatehouse/node_modules/node/bin/node"
  layer "$runtime.new" "$runtime.tar.new"
  mv "$runtime.new" "$runtime"
  mv "$runtime.tar.new" "$runtime.tar"
}

assemble() {
  local program
  "$node" --disable-warning=ExperimentalWarning "$image/assemble.ts" "$work" "$version"
  mkdir -p "$work/app/usr/local/bin"
  for program in gatehouse gatectl gate; do ln -s "/opt/gatehouse/bin/$program" "$work/app/usr/local/bin/$program"; done
  if [ "$variant" = broken ]; then
    printf '#!/bin/sh\necho "this image is broken, for tests" >&2\nexit 1\n' >"$work/app/opt/gatehouse/bin/gatehouse"
  fi
  chmod -R u=rwX,go=rX "$work/app" "$work/packages"
  layer "$work/packages" "$work/packages.tar"
  layer "$work/app" "$work/app.tar"
}

compiled_place=/opt/gatehouse/compiled

# first_start OPTIONS LAYERS: as its user in an image of these folders (topmost first), without a network; prints how many
# milliseconds it took. OPTIONS say where the overlay keeps what is written; none: nothing can be, but in /tmp.
first_start() {
  local options=$1 lower=$2
  mkdir -p "$work/overlay" "$work/merged"
  # shellcheck disable=SC2016 # for the other shell
  unshare --mount --pid --fork --net bash -euc '
    merged=$1
    mount -t overlay overlay -o "$3" "$merged"
    mount -t proc proc "$merged/proc"
    mount --bind /dev "$merged/dev"
    mount -t tmpfs tmpfs "$merged/tmp"
    cp "$2" "$merged/tmp/first-start.ts"
    ip link set lo up
    exec chroot --userspec=65532:65532 "$merged" env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/tmp NODE_COMPILE_CACHE="$4" \
      node --disable-warning=ExperimentalWarning /tmp/first-start.ts /tmp
  ' first-start "$work/merged" "$image/first-start.ts" "lowerdir=$lower$options" "$compiled_place"
}

lower_layers() { echo "$work/app:$work/packages:$runtime:$base"; }

# Of all code and of what compiles it; the version, in package.json, is data.
code_digest() {
  {
    echo "$runtime"
    cd "$work" && find app packages -type f ! -path app/opt/gatehouse/package.json -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  } | sha256sum | cut -c1-12
}

# What V8 writes differs from run to run: the same content takes the one that was kept, and so gives the same image.
compile() {
  compiled=$store/compiled-$(code_digest)
  if [ ! -e "$compiled.tar" ]; then
    rm -f "$store"/compiled-*.tar
    mkdir -p "$work/compiled$compiled_place"
    chown 65532:65532 "$work/compiled$compiled_place"
    first_start ",upperdir=$work/compiled,workdir=$work/overlay" "$(lower_layers)" >"$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; return 1; }
    # Only what was compiled: the rest of the layer is traces of that start.
    mkdir -p "$work/only/opt/gatehouse"
    mv "$work/compiled$compiled_place" "$work/only$compiled_place"
    chown -R 0:0 "$work/only"
    chmod -R u=rwX,go=rX "$work/only"
    layer "$work/only" "$compiled.tar.new"
    mv "$compiled.tar.new" "$compiled.tar"
  fi
}

[ -e "$base.tar" ] || phase "image: Debian $suite" new_base
[ -e "$runtime.tar" ] || phase "image: node $node_version" new_runtime
phase "image: Gatehouse $version" assemble
layers=("$base.tar" "$runtime.tar" "$work/packages.tar" "$work/app.tar")
if [ "$variant" != broken ]; then
  phase "image: first start, for what node compiles" compile
  layers+=("$compiled.tar")
fi

config=$(printf '{"Entrypoint": ["tini", "--", "gatehouse"], "Cmd": ["start"], "User": "65532:65532", "WorkingDir": "%s", "Env": ["%s", "%s", "%s"], "Labels": {"org.opencontainers.image.title": "Gatehouse", "org.opencontainers.image.version": "%s", "org.opencontainers.image.licenses": "Apache-2.0"}}' \
  /var/lib/gatehouse PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/var/lib/gatehouse \
  "NODE_COMPILE_CACHE=$compiled_place" "$version")
archive "$store/gatehouse-$tag.tar" "gatehouse:$tag" "$config" "${layers[@]}"

# A registry keeps layers compressed, as gzip does.
compressed_size() { gzip -c "$store/gatehouse-$tag.tar" | wc -c >"$work/size"; }

start_three_times() {
  mkdir -p "$work/compiled-layer"
  tar --extract --file "$compiled.tar" --directory "$work/compiled-layer"
  for _ in 1 2 3; do first_start '' "$work/compiled-layer:$(lower_layers)" 2>/dev/null; done | sort -n >"$work/starts"
}

if [ "$report" = yes ] && [ "$variant" != broken ]; then
  phase "image: compressed, to know its size" compressed_size
  phase "image: three starts, to know their time" start_three_times
  printf 'image: gatehouse:%s %s MB compressed, ready %s ms after its start (the middle of three)\nimage: %s\n' \
    "$tag" "$(($(cat "$work/size") / 1000000))" "$(sed -n 2p "$work/starts")" "$store/gatehouse-$tag.tar" >&2
fi

printf '%s\ngatehouse:%s\n%s\n' "$store/gatehouse-$tag.tar" "$tag" "$version"
