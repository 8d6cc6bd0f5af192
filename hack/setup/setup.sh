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

# Real programs that tests run against: lines of "<command> <Debian package>".
install_programs() {
  packages=''
  while read -r command package; do
    case $command in '' | '#'*) continue ;; esac
    command -v "$command" >/dev/null 2>&1 && continue
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

fingerprint() { cat package.json package-lock.json hack/setup/node-digests.txt "$0" | openssl dgst -sha256 -r | cut -c1-64; }

runtime=node_modules/node/bin/node

# The lock file does not cover the runtime's own binary (its package fetches it while installing), so its digest
# is pinned here. Platforms without a line are taken as they come, and it is said.
check_runtime() {
  [ -x "$runtime" ] || fail "$runtime is missing although npm ci ended well: npm did not run the install script of
the package \"node\". Allow it (npm config set ignore-scripts false) and run make setup again"
  wanted=$("$runtime" -p 'require("./node_modules/node/package.json").version')
  platform=$("$runtime" -p '`${process.version} ${process.platform}-${process.arch}`') || fail "$runtime does not run here"
  [ "${platform%% *}" = "v$wanted" ] || fail "$runtime is ${platform%% *}, not v$wanted; remove node_modules and run make setup again"
  pinned=$(sed -n "s/^$platform //p" hack/setup/node-digests.txt)
  if [ -z "$pinned" ]; then
    say "no pinned digest for node $platform; add one to hack/setup/node-digests.txt"
  elif [ "$(openssl dgst -sha256 -r "$runtime" | cut -c1-64)" != "$pinned" ]; then
    fail "$runtime is not the pinned build (hack/setup/node-digests.txt); do not run it, remove node_modules"
  fi
  say "node $platform is ready"
}

install_packages() {
  stamp=node_modules/.gatehouse-setup
  now=$(fingerprint)
  if [ -x "$runtime" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then return 0; fi
  install_npm
  say "npm ci (npm $(npm --version 2>/dev/null))"
  npm ci --no-audit --no-fund --loglevel=error </dev/null || fail "npm ci failed; see the lines above"
  check_runtime
  echo "$now" >"$stamp"
}

install_programs
install_packages
