# shellcheck shell=bash
# Sourced by test and test-repeat: the tests themselves, and how they are counted.

source "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

# All targets in one selection, for tests and binaries alike: another one would compile the engine anew.
build_tests() { build "the tests" --keep-going --workspace --all-targets; }

# A crate whose tests fail does not keep the others from running. Without arguments, all crates.
cargo_tests() {
  [ $# != 0 ] || set -- --workspace
  cargo test --locked --no-fail-fast "$@" -- --quiet
}

python_tests() {
  MCP_BIN_DIR="$target_dir/debug" "$python" -m pytest -q -c tests/pytest.ini --rootdir tests \
    --continue-on-collection-errors tests/scripts tests/drills tests/e2e training/tests
}

# count REPORT STATUS: the line "PASSED FAILED", then the name of each failed test.
count() { "$python" tests/scripts/count_tests.py "$2" <"$1"; }
