#!/usr/bin/env bash
# The first process of the node: runs in mount, PID, network and UTS namespaces of its own (see up.sh), starts the daemons
# in the order of their needs, which avoids their back-offs, and reaps orphans. When it is killed the kernel ends all else.
# Usage: node.sh NAME, which only says whose it is; the rest is in the environment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=hack/cluster/places.sh
. "$here/places.sh"

# /proc is still this machine's, so this is the id that others know us by.
read -r host_pid _ </proc/self/stat

say() { echo "$(date +%s.%3N) $*"; }

own_mounts() {
  mount --make-rshared / # as mounts of pods with propagation need it; nothing of it reaches the machine
  hostname "$node"
  mount -t proc proc /proc
  umount -R /sys
  mount -t sysfs sysfs /sys
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/lock "$state"/{var-log,etcd,kubelet,containerd,volumes} /var/lib/kubelet /var/lib/cni
  mount --bind "$state/var-log" /var/log
  mount -t tmpfs -o mode=700 tmpfs "$state/etcd"
  mount --bind "$state/kubelet" /var/lib/kubelet
  mount -t tmpfs -o mode=755 tmpfs /var/lib/cni
}

# The kubelet sets these for the whole machine where they differ; it is shown copies that it likes.
shadow_sysctls() {
  local path value copy
  mkdir -p /run/sysctl
  while read -r path value; do
    [ "$(cat "/proc/sys/$path")" != "$value" ] || continue
    copy=/run/sysctl/${path//\//.}
    echo "$value" >"$copy"
    mount --bind "$copy" "/proc/sys/$path"
  done <<'SYSCTLS'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
SYSCTLS
}

cgroups_v1() {
  local id controllers folder options controller from
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  while IFS=: read -r id controllers _; do
    [ "$id" != 0 ] || continue
    folder=$controllers options=$controllers
    case $controllers in name=*) folder=${controllers#name=} options=none,$controllers ;; esac
    from=/sys/fs/cgroup/$folder
    mkdir -p "$from"
    mount -t cgroup -o "$options" cgroup "$from"
    for controller in ${folder//,/ }; do
      [ -e "/sys/fs/cgroup/$controller" ] || ln -s "$folder" "/sys/fs/cgroup/$controller"
    done
    mkdir -p "$from/$cgroup"
    if [ -e "$from/cpuset.cpus" ]; then
      cat "$from/cpuset.cpus" >"$from/$cgroup/cpuset.cpus"
      cat "$from/cpuset.mems" >"$from/$cgroup/cpuset.mems"
      echo 1 >"$from/$cgroup/cgroup.clone_children"
    fi
    mkdir -p "$from/$cgroup/node"
    echo $$ >"$from/$cgroup/node/cgroup.procs"
  done <<<"$(cat /proc/self/cgroup)" # a copy: the file changes while this process moves
}

# One at a time: a controller that the machine keeps for itself must not cost the others.
hand_down_controllers() {
  local controllers controller
  read -ra controllers <"$1/cgroup.controllers"
  for controller in "${controllers[@]}"; do
    echo "+$controller" >"$1/cgroup.subtree_control" || true
  done
}

cgroups_v2() {
  local from=/sys/fs/cgroup
  mount -t cgroup2 cgroup2 "$from"
  mkdir -p "$from/$cgroup/node"
  hand_down_controllers "$from"
  hand_down_controllers "$from/$cgroup"
  echo $$ >"$from/$cgroup/node/cgroup.procs"
}

own_cgroups() {
  # Version 1 when the kernel has bound memory to such a hierarchy.
  if grep -qE '^[1-9][0-9]*:([^:]*,)?memory(,[^:]*)?:' /proc/self/cgroup; then cgroups_v1; else cgroups_v2; fi
}

own_network() {
  # up.sh moves one end of a pair in here, once it knows our id.
  echo "$host_pid" >"$pid_file.new"
  mv "$pid_file.new" "$pid_file"
  for _ in $(seq 600); do
    [ ! -e /sys/class/net/eth0 ] || break
    sleep 0.05
  done
  ip link set lo up
  ip addr add "$node_ip/30" dev eth0
  ip link set eth0 up
  # A route must exist before kube-proxy's rules apply. There is no default route: nothing leaves the machine.
  ip route add "$service_cidr" via "$host_ip"
  sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
  sysctl -qw net.ipv6.conf.all.disable_ipv6=1 || true
}

declare -A names
start() {
  local daemon=$1
  shift
  "$@" >"$logs/$daemon.log" 2>&1 &
  names[$!]=$daemon
  say "start $daemon"
}

wait_for() {
  local what=$1
  shift
  for _ in $(seq 1200); do
    if "$@" >/dev/null 2>&1; then
      say "ready $what"
      return
    fi
    sleep 0.1
  done
  say "LATE $what"
  return 1
}

start_etcd() {
  start etcd "$bin/etcd" --name=main --data-dir="$state/etcd/data" \
    --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
    --listen-peer-urls=http://127.0.0.1:2380 --initial-advertise-peer-urls=http://127.0.0.1:2380 \
    --initial-cluster=main=http://127.0.0.1:2380 --unsafe-no-fsync --quota-backend-bytes=1073741824 \
    --auto-compaction-mode=revision --auto-compaction-retention=10000 --log-level=warn
}

start_apiserver() {
  start kube-apiserver "$bin/kube-apiserver" \
    --advertise-address="$node_ip" --bind-address=0.0.0.0 --secure-port=6443 --etcd-servers=http://127.0.0.1:2379 \
    --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" --client-ca-file="$pki/ca.crt" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --service-cluster-ip-range="$service_cidr" --profiling=false --v=1 \
    --service-account-issuer="$server" --service-account-jwks-uri="$server/openid/v1/jwks" \
    --service-account-signing-key-file="$pki/sa.key" --service-account-key-file="$pki/sa.pub" \
    --kubelet-client-certificate="$pki/apiserver-kubelet.crt" --kubelet-client-key="$pki/apiserver-kubelet.key" \
    --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --requestheader-client-ca-file="$pki/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --proxy-client-cert-file="$pki/front-proxy.crt" --proxy-client-key-file="$pki/front-proxy.key"
}

start_others() {
  start kube-controller-manager "$bin/kube-controller-manager" --kubeconfig="$state/kcm.kubeconfig" \
    --leader-elect=false --bind-address=127.0.0.1 --use-service-account-credentials \
    --service-account-private-key-file="$pki/sa.key" --root-ca-file="$pki/ca.crt" \
    --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
    --allocate-node-cidrs=false --service-cluster-ip-range="$service_cidr" --kube-api-qps=200 --kube-api-burst=400 --v=1
  start kube-scheduler "$bin/kube-scheduler" --kubeconfig="$state/scheduler.kubeconfig" --leader-elect=false \
    --bind-address=127.0.0.1 --v=1
  wait_for images test -e "$state/images-loaded"
  start kubelet "$bin/kubelet" --config="$state/kubelet.yaml" --kubeconfig="$state/kubelet.kubeconfig" \
    --hostname-override="$node" --node-ip="$node_ip" --v=1 \
    --node-labels=topology.kubernetes.io/region=here,topology.kubernetes.io/zone=here-a
  start kube-proxy "$bin/kube-proxy" --config="$state/kube-proxy.yaml" --v=1
  start localpv "$bin/localpv" -kubeconfig "$state/localpv.kubeconfig" -root "$state/volumes" -node "$node" \
    -provisioner gatehouse.dev/localpv
}

load_images() {
  local image
  wait_for containerd ctr version
  for image in "$bin"/images/*.tar; do ctr -n k8s.io images import "$image"; done >>"$logs/images.log" 2>&1
  touch "$state/images-loaded"
}

own_mounts
shadow_sysctls
own_cgroups
own_network
start containerd containerd --config "$state/containerd.toml"
start_etcd
load_images &
wait_for etcd curl -fsS http://127.0.0.1:2379/health
start_apiserver
wait_for kube-apiserver curl -fsS --cacert "$pki/ca.crt" "$server/readyz"
start_others

# With the keys that are there now; see rotate-issuer.sh.
restart_apiserver() {
  local pid
  for pid in "${!names[@]}"; do
    [ "${names[$pid]}" = kube-apiserver ] || continue
    unset "names[$pid]"
    # Outright: it would wait a minute for watches to end.
    kill -KILL "$pid"
    while kill -0 "$pid" 2>/dev/null; do wait "$pid" || true; done
  done
  start_apiserver
}
asked=no
trap 'asked=yes' HUP

# A daemon that dies is told; the others stay for inspection, and the next up starts anew.
while dead='' && { wait -n -p dead || true; }; do
  if [ "$asked" = yes ]; then
    asked=no
    restart_apiserver
    continue
  fi
  [ -n "${dead:-}" ] || fail "no daemon is left"
  [ -z "${names[$dead]:-}" ] || say "DIED ${names[$dead]}"
done
