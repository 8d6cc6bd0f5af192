# Certificates and kubeconfigs of one life of the cluster; sourced by up.sh. EC everywhere, but RSA for the tokens of
# service accounts, as on EKS.
# shellcheck shell=bash disable=SC2154 # places.sh

ec_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

# authority FILE NAME
authority() {
  ec_key "$1"
  openssl req -x509 -new -key "$1.key" -subj "/CN=$2" -days 3650 -out "$1.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature
}

# leaf FILE AUTHORITY SUBJECT USAGE [NAMES]
leaf() {
  ec_key "$1"
  openssl req -new -key "$1.key" -subj "$3" -out "$1.csr"
  printf 'basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n%s\n' \
    "$4" "${5:+subjectAltName=$5}" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 3650 -extfile "$1.ext" -out "$1.crt" 2>&1
  rm "$1.csr" "$1.ext"
}

# kubeconfig_for NAME; its certificate must be there.
kubeconfig_for() {
  (
    umask 077
    cat >"$state/$1.kubeconfig" <<YAML
apiVersion: v1
kind: Config
current-context: $name
clusters: [{name: $name, cluster: {server: "$server", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: $name, context: {cluster: $name, user: $1}}]
YAML
  )
}

make_keys() (
  set -e
  mkdir -m 700 "$pki"
  cd "$pki"
  local inside=kubernetes.default.svc user subject
  authority ca kubernetes
  authority front-proxy-ca front-proxy-ca
  leaf apiserver ca /CN=kube-apiserver serverAuth "IP:$node_ip,IP:$api_service_ip,IP:127.0.0.1,DNS:localhost,DNS:$node,\
DNS:kubernetes,DNS:kubernetes.default,DNS:$inside,DNS:$inside.cluster.local"
  leaf kubelet-server ca "/CN=$node" serverAuth "IP:$node_ip,DNS:$node"
  leaf apiserver-kubelet ca /O=system:masters/CN=apiserver-kubelet clientAuth
  leaf front-proxy front-proxy-ca /CN=front-proxy clientAuth
  while read -r user subject; do
    leaf "$user" ca "$subject" clientAuth
    kubeconfig_for "$user"
  done <<USERS
admin /O=system:masters/CN=admin
kubelet /O=system:nodes/CN=system:node:$node
kcm /CN=system:kube-controller-manager
scheduler /CN=system:kube-scheduler
proxy /CN=system:kube-proxy
localpv /O=system:masters/CN=localpv
USERS
  openssl genrsa -out sa.key 2048
  openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
)
