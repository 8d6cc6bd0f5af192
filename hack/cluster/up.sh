#!/usr/bin/env bash
# Brings the single-node test cluster up, and does nothing when it is up and well. The node is one tree of processes in
# namespaces of its own: two routes on this machine lead to it, and nothing leads from it to the outside.
# Usage: up.sh [--while PID]. Without it the cluster stays until down.sh; with it, until that process has ended.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=hack/cluster/places.sh
. "$here/places.sh"
# shellcheck source=hack/cluster/archive.sh
. "$here/archive.sh"
# shellcheck source=hack/cluster/clear.sh
. "$here/clear.sh"
# shellcheck source=hack/cluster/configs.sh
. "$here/configs.sh"
# shellcheck source=hack/cluster/pki.sh
. "$here/pki.sh"

need_root
case ${1:-} in
  '') user=hand ;;
  --while) user=${2:?} ;;
  *) fail "usage: up.sh [--while PID]" ;;
esac

kubectl() { KUBECONFIG=$kubeconfig "$bin/kubectl" "$@"; }
answers() { curl -fsS -m 5 --cacert "$pki/ca.crt" "$server/readyz" >/dev/null 2>&1; }

# Debian packages that only a node needs: commands, then what brings them.
install_packages() {
  local missing=() command package
  while read -r command package; do
    [ -e "$command" ] || missing+=("$package")
  done <<'PACKAGES'
/usr/bin/containerd containerd
/usr/sbin/runc runc
/usr/lib/cni/ptp containernetworking-plugins
PACKAGES
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "missing: ${missing[*]}; install them as your system does"
  apt-get update -qq </dev/null &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}

# The two images that the cluster itself needs, made from our own programs.
make_images() {
  local work program
  [ ! -e "$bin/images/coredns.tar" ] || [ ! -e "$bin/images/pause.tar" ] || return 0
  mkdir -p "$bin/images"
  work=$(mktemp -d)
  for program in pause coredns; do
    mkdir "$work/$program"
    cp "$bin/$program" "$work/$program/"
    layer "$work/$program" "$work/$program.tar"
    archive "$bin/images/$program.tar" "cluster.internal/$program:1" "{\"Entrypoint\": [\"/$program\"]}" "$work/$program.tar"
  done
  rm -rf "$work"
}

start_node() {
  local pid
  setsid unshare --mount --propagation private --pid --fork --net --uts "$here/node.sh" "$name" \
    >"$logs/node.log" 2>&1 </dev/null 9>&- &
  for _ in $(seq 600); do
    pid=$(node_pid)
    [ -z "$pid" ] || break
    sleep 0.05
  done
  [ -n "$pid" ] || return 1
  ip link add "$name-veth" type veth peer name "$name-vethn"
  ip link set "$name-vethn" netns "$pid" name eth0
  ip addr add "$host_ip/30" dev "$name-veth"
  ip link set "$name-veth" up
  # Tests reach pods and Services as if they were on the node.
  ip route add "$pod_cidr" via "$node_ip"
  ip route add "$service_cidr" via "$node_ip"
}

# wait_until COMMAND...: two minutes at most; a node that has ended is not waited for.
wait_until() {
  for _ in $(seq 600); do
    ! "$@" >/dev/null 2>&1 || return 0
    [ -n "$(node_pid)" ] || return 1
    sleep 0.2
  done
  return 1
}

api_ready() { wait_until answers; }
apply_manifests() {
  sed "s/@DNS_IP@/$dns_ip/g; s/@HOST_IP@/$host_ip/g" "$here"/manifests/*.yaml | kubectl apply --server-side -f - >"$logs/apply.log"
}
node_ready() { wait_until kubectl get node "$node" && kubectl wait --for=condition=Ready "node/$node" --timeout=120s >/dev/null; }
dns_ready() { kubectl -n kube-system rollout status deploy/coredns --timeout=120s >/dev/null; }

is_well() {
  [ -n "$(node_pid)" ] && [ -e "$state/ready" ] && [ "$(cat "$state/ready")" = "$bin" ] &&
    ! grep -q ' DIED ' "$logs/node.log" && answers
}

bring_up() {
  local advice="see $logs"
  clear_node
  find "$state" -mindepth 1 -maxdepth 1 ! -name users -exec rm -rf {} +
  mkdir -p "$logs"
  phase "images of the cluster itself" make_images
  phase "keys and certificates" make_keys >"$logs/keys.log"
  write_configs
  phase "node" start_node
  phase "API server ready" api_ready
  phase "DNS and storage class applied" apply_manifests
  phase "node ready" node_ready
  phase "DNS ready" dns_ready
  echo "$bin" >"$state/ready"
}

# One watcher for each process that uses the cluster, which outlives this script.
watch_user() {
  # shellcheck disable=SC2016 # for the other shell
  setsid bash -c 'tail --pid="$1" -f /dev/null; exec "$2" --after "$1"' watcher "$user" "$here/down.sh" \
    >/dev/null 2>&1 </dev/null 9>&- &
}

began=$(date +%s%N)
phase "packages" install_packages
"$here/build.sh" >/dev/null
take_lock
mkdir -p "$users"
known=yes
[ -e "$users/$user" ] || known=no
touch "$users/$user"
[ "$user" = hand ] || [ "$known" = yes ] || watch_user
if is_well; then
  echo "cluster: is up" >&2
else
  bring_up
  printf 'cluster: up after %.1f s\n' "$((($(date +%s%N) - began) / 1000000))e-3" >&2
fi
echo "$kubeconfig"
