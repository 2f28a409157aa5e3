#!/bin/sh
# Prints the table of docs/benchmarks.md on a folder of public data and draws its pictures into docs/img.
# Usage: scripts/bench-planning.sh DIR     (docs/data.md says how DIR is laid out)
set -eu
cd "$(dirname "$0")/.."
if [ $# -ne 1 ]; then
    echo "usage: $0 DIR; see docs/data.md" >&2
    exit 2
fi
exec cargo run --release --quiet -p simulator --bin simulate -- bench --data "$1" --images docs/img
