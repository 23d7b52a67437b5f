#!/usr/bin/env bash
# One adapter and Kamailio side by side under the SIP benchmark kit in KIT_DIR; see bench/kamailio/README.md.
#   [ROUNDS=5] [REF_S=3] [OUT=DIR] bench/compare-with-kamailio.sh KIT_DIR [open|digest|all]
set -euo pipefail
[ $# -ge 1 ] || { sed -n 2,3p "$0"; exit 2; }
kit=$(cd "$1" && pwd) what=${2:-all}
case $what in open | digest | all) ;; *) sed -n 2,3p "$0"; exit 2 ;; esac
cd "$(dirname "$0")/.."
for needed in kamailio sipp python3 taskset unshare; do
  command -v "$needed" >/dev/null || { echo "$needed is missing" >&2; exit 2; }
done
# A network of its own: nothing on this machine disturbs, or is disturbed by, the addresses used here.
if [ "${COMPARE_INSIDE:-}" = "" ] && unshare -n true 2>/dev/null; then
  COMPARE_INSIDE=1 exec unshare -n bash -c 'ip link set lo up; exec "$@"' _ "$0" "$kit" "$what"
fi

work=$(mktemp -d)
out=${OUT:-$work/results}
mkdir -p "$out"
out=$(cd "$out" && pwd)
export ROUNDS=${ROUNDS:-5} REF_S=${REF_S:-3} KAM_DIR=$work/kamailio
# The adapter's share of the accounts in the digest scenario: each needs a certificate first.
digest_users=100
node=node_modules/node/bin/node
lab_pid=

finish() {
  [ -z "$lab_pid" ] || { kill "$lab_pid" 2>/dev/null || true; wait "$lab_pid" 2>/dev/null || true; }
  lab_pid=
  "$kit/stop-kamailio.sh" >/dev/null 2>&1 || true
}
trap finish EXIT

# start_lab NAME AUTHENTICATE: one adapter on core 0, like Kamailio; sets adapter_pid and lab_dir.
start_lab() {
  lab_dir=$work/$1
  cat >"$work/$1.json" <<JSON
{ "log": { "level": "warn" },
  "sip": { "authenticate": $2,
    "listeners": [
      { "name": "redirect", "transport": "udp", "address": "127.0.0.11", "port": 5062, "role": "redirect" } ] } }
JSON
  taskset -c 0 "$node" scripts/lab.ts --adapters 1 --dir "$lab_dir" --config "$work/$1.json" >"$work/$1.out" &
  lab_pid=$!
  for _ in $(seq 300); do
    grep -q '"ready":true' "$work/$1.out" && break
    kill -0 "$lab_pid" || exit 1
    sleep 0.1
  done
  adapter_pid=$(sed -n 's/.*"pid":\([0-9]*\).*/\1/p' "$work/$1.out")
}

# compare NAME: alternating rounds, Kamailio first.
compare() {
  OUT=$out/$1 "$kit/compare.sh" \
    "kamailio=$TARGET,$REDIRECT_TARGET,$SERVER_PIDS" \
    "chordial=127.0.0.11:5060,127.0.0.11:5062,$adapter_pid"
}

if [ "$what" != digest ]; then
  eval "$(AUTH=0 "$kit/start-kamailio.sh")"
  start_lab open false
  SCENARIOS=${SCENARIOS:-options,reregister,call,redirect} compare open
  finish
fi
if [ "$what" != open ]; then
  eval "$(AUTH=1 "$kit/start-kamailio.sh")"
  start_lab digest true
  "$node" bench/kamailio/add-users.ts "$lab_dir" "$digest_users"
  sleep 5 # the adapter enrolls them
  USERS=$digest_users SCENARIOS=register compare digest
fi
