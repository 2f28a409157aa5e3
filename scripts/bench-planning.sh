#!/usr/bin/env bash
# Prints the table of docs/benchmarks.md on a folder of public data and draws its pictures into docs/img. It installs what
# the simulator's build needs and nothing else.
# Usage: scripts/bench-planning.sh DIR [FLAG ...]     (docs/data.md says how DIR is laid out; flags: simulate bench --help)
if [ ! -d "${1:-}" ]; then
  [ -z "${1:-}" ] || echo "$1: no such folder" >&2
  echo "usage: make bench-planning DATA=DIR, or $0 DIR [FLAG ...]; docs/data.md says how DIR is laid out" >&2
  exit 2
fi
# Before the folder changes.
data=$(realpath -- "$1")
shift
source "$(dirname "$0")/prepare.sh"

missing=()
command -v cc >/dev/null || missing+=(build-essential)
command -v curl >/dev/null || missing+=(curl ca-certificates)
[ ${#missing[@]} = 0 ] || apt_install "to build the simulator" "${missing[@]}"
prepare_rust
say "building the simulator"
build "the simulator" --release --quiet --package simulator --bin simulate
say "measuring: a few minutes"
exec "$target_dir/release/simulate" bench --data "$data" --images docs/img "$@"
