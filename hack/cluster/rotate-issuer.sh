#!/usr/bin/env bash
# Gives the issuer of service account tokens of the running test cluster another key, as EKS does every few days: tokens are
# signed with the new one from now on, and those of before are good as long as they live. The API server starts anew for it.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=hack/cluster/places.sh
. "$here/places.sh"

need_root
[ $# = 0 ] || fail "usage: rotate-issuer.sh"
take_lock
pid=$(node_pid)
[ -n "$pid" ] || fail "the cluster is not up; run make cluster-up"

keys() { curl -fsS -m 5 --cacert "$pki/ca.crt" "$server/openid/v1/jwks" | grep -o '"kid":"[^"]*"'; }
both_are_served() { curl -fsS -m 5 --cacert "$pki/ca.crt" "$server/readyz" >/dev/null && [ "$(keys | wc -l)" -gt "$before" ]; }

before=$(keys | wc -l)
(umask 077 && openssl genrsa -out "$pki/sa.next" 2048 2>/dev/null)
openssl rsa -in "$pki/sa.next" -pubout 2>/dev/null | cat - "$pki/sa.pub" >"$pki/sa.pub.next"
mv "$pki/sa.pub.next" "$pki/sa.pub"
mv "$pki/sa.next" "$pki/sa.key"
kill -HUP "$pid"
for _ in $(seq 600); do
  if both_are_served 2>/dev/null; then
    echo "cluster: the issuer has another key" >&2
    exit 0
  fi
  sleep 0.2
done
fail "the API server did not come back; see $logs"
