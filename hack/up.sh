#!/bin/sh
# An all-in-one cluster for trying things out: auth, proxy and node in one process, embedded storage, data in .cache/up.
# The first start invites an admin. Ends with Ctrl-C; the data stays until "make clean".
set -eu
cd "$(dirname "$0")/.."
mkdir -p -m 700 .cache .cache/up
config=$PWD/.cache/up/gatehouse.yaml
if [ ! -e "$config" ]; then
  bin/gatehouse configure --data-dir="$PWD/.cache/up/data" --output="$config.new" >/dev/null
  # Links lead to this machine by the name that it always has.
  sed 's/^  # public_addr: .*/  public_addr: localhost:3080/' "$config.new" >"$config"
  rm -f "$config.new"
fi

gatectl() { bin/gatectl --config="$config" "$@"; }

GATEHOUSE_GUIDE=no bin/gatehouse start --config="$config" "$@" &
daemon=$!
# A terminal's Ctrl-C reaches the daemon as well; a second signal to it would end it at once.
trap 'true' INT
trap 'kill -TERM $daemon 2>/dev/null || true' TERM

until gatectl nodes ls --format=json 2>/dev/null | grep -q '"kind"'; do
  kill -0 $daemon 2>/dev/null || { wait $daemon; exit; }
  sleep 0.1
done

node=$(gatectl nodes ls --format=json | sed -n 's/^ *"hostname": "\(.*\)",*$/\1/p' | head -n 1)
login=$(id -un)
if gatectl get user/admin >/dev/null 2>&1; then
  welcome="The user admin was invited before. A new link, should it be needed:
  bin/gatectl --config=$config users reset admin"
else
  welcome=$(gatectl users add admin --roles=access,editor,auditor --logins="$login" | sed -n '/^https:/p')
  welcome="Open this page once, to set the password and the one-time codes of the user admin:
  $welcome"
fi
pin=$(gatectl status | sed -n 's/^CA pin  *//p' | head -n 1)

cat <<TEXT

The cluster is up. Data is in $PWD/.cache/up; Ctrl-C stops it.

$welcome

Then, in another terminal:
  bin/gate login --proxy=localhost:3080 --user=admin --ca-pin=$pin
  bin/gate ls
  bin/gate ssh $login@$node

TEXT
# A signal ends a wait before its time; the status of the daemon is what counts.
code=0
while kill -0 $daemon 2>/dev/null; do
  code=0
  wait $daemon || code=$?
done
exit $code
