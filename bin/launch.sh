# The shared half of the launchers; sourced, never run. Expects $root (the checkout or install) and $program (its
# entry file), and ends by becoming node, so that signals and exit codes are node's own.
#
# Compiled code is kept between runs in a folder that only this user can write: node trusts what it finds there,
# so a folder (or parent) of somebody else, or one that others may write, is not used at all.

# Says yes when $1 is a real folder, owned by this user, with the mode pattern $2.
owned() {
  [ -d "$1" ] && [ ! -h "$1" ] && [ -O "$1" ] || return 1
  case $(ls -ld "$1" 2>/dev/null) in
    $2) return 0 ;;
    *) return 1 ;;
  esac
}

use_compile_cache() {
  [ -z "${NODE_COMPILE_CACHE:-}" ] || return 0
  parent=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
  case $parent in
    /*) ;;
    *) return 0 ;;
  esac
  [ -e "$parent" ] || { owned "${HOME:-}" 'drwx*' && mkdir -m 700 "$parent" 2>/dev/null; } || return 0
  owned "$parent" 'drwx?-??-?*' || return 0
  cache=$parent/gatehouse
  [ -e "$cache" ] || [ -h "$cache" ] || mkdir -m 700 "$cache" 2>/dev/null || return 0
  if owned "$cache" 'drwx------*'; then
    NODE_COMPILE_CACHE=$cache
    export NODE_COMPILE_CACHE
  fi
}

node=$root/node_modules/node/bin/node
if [ ! -x "$node" ]; then
  echo "${0##*/}: the runtime is missing ($node); run \"make setup\" in $root" >&2
  exit 69
fi
use_compile_cache
# What a graceful restart of the daemon starts: this path may lead to another version by then.
case $0 in
  /*)
    GATEHOUSE_LAUNCHER=$0
    export GATEHOUSE_LAUNCHER
    ;;
  *) unset GATEHOUSE_LAUNCHER ;;
esac
# The operator runs for months and does little: what V8 may keep for young objects would be much of what it holds.
case $program:${1:-} in
  */gatehouse/main.ts:operator) set -- --max-semi-space-size=2 "$root/$program" "$@" ;;
  *) set -- "$root/$program" "$@" ;;
esac
exec "$node" --disable-warning=ExperimentalWarning "$@"
