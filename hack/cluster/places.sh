# Names and places that the scripts of this folder agree on; sourced, never run. Expects $here (this folder).
# shellcheck shell=bash disable=SC2034,SC2154 # used by those that source it, who set $here

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

# The running cluster. A second one beside it needs another name, of ten letters at most, and another /16.
name=${GATEHOUSE_TEST_CLUSTER:-gatehouse}
net=${GATEHOUSE_TEST_CLUSTER_NET:-10.231}
state=/var/lib/$name-cluster
logs=$state/logs
pki=$state/pki
# Those for whom the cluster is up: processes by their ids, and "hand" for a person. Empty: it goes down.
users=$state/users
kubeconfig=$state/admin.kubeconfig
pid_file=$state/node.pid
host_ip=$net.0.1 # this machine, as the node and its pods see it
node_ip=$net.0.2 # API server and NodePorts
pod_cidr=$net.64.0/18
service_cidr=$net.128.0/20
api_service_ip=$net.128.1
dns_ip=$net.128.10
node=$name-node
server=https://$node_ip:6443
cgroup=$name-cluster # of the node, in every hierarchy

fail() {
  echo "cluster: $*" >&2
  exit 1
}

# What a step took, on stderr: phase NAME COMMAND... A script may set $advice for when one fails.
phase() {
  local step=$1 began
  began=$(date +%s%N)
  shift
  "$@" || fail "$step failed${advice:+; $advice}"
  printf 'cluster: %-44s %7.1f s\n' "$step" "$((($(date +%s%N) - began) / 1000000))e-3" >&2
}

need_root() {
  [ "$(id -u)" = 0 ] || fail "a node needs root (namespaces, mounts): run it with sudo, or use a cluster of your own (CONTRIBUTING.md)"
}

# The id, on this machine, of the node's first process; nothing when it does not run.
node_pid() {
  local pid
  pid=$(cat "$pid_file" 2>/dev/null) || return 0
  ! { tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -q "cluster/node.sh $name " || echo "$pid"
}

# Changes of directory by nsenter: give absolute paths.
in_node() { nsenter -t "$(node_pid)" -m -n -p -u -- "$@"; }

# One bringing up or down at a time; the lock is kept by file descriptor 9 until this script ends.
take_lock() {
  exec 9>"/run/lock/$name-cluster.lock"
  flock -n 9 || { echo "cluster: waiting for another up or down" >&2 && flock 9; }
}
