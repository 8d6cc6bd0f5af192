# How what a node leaves is removed; sourced by up.sh, which may find remains, and by down.sh.
# shellcheck shell=bash disable=SC2154 # places.sh

# Killing its first process ends all others and, with the namespaces, mounts, rules, links and routes go. Cgroups do not.
clear_node() {
  local pid folder
  pid=$(node_pid)
  if [ -n "$pid" ]; then
    kill -KILL "$pid"
    for _ in $(seq 300); do
      [ -e "/proc/$pid" ] || break
      sleep 0.1
    done
  fi
  rm -f "$pid_file"
  ip link del "$name-veth" 2>/dev/null || true
  for folder in /sys/fs/cgroup/*/"$cgroup" /sys/fs/cgroup/"$cgroup"; do
    [ ! -d "$folder" ] || remove_cgroup "$folder"
  done
}

# The kernel takes a moment to let go of groups whose processes have ended.
remove_cgroup() {
  for _ in $(seq 100); do
    find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || true
    [ -d "$1" ] || return 0
    sleep 0.1
  done
  fail "the cgroup $1 is still in use"
}
