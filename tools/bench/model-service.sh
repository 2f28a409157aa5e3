#!/usr/bin/env bash
# Tokens a second of model-service beside llama.cpp's own server, on the same file. Arguments go to the bench:
#   tools/bench/model-service.sh [--model models/demo.gguf] [--rounds 15] [--tokens 128] [--threads 1]
#
# The peer is llama-server, compiled from the llama.cpp sources inside the pinned source package of llama-cpp-python,
# with the same instruction set and optimisation as the engine; it is built once, into the cache folder.
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/prepare.sh"
prepare_build
python3 -c 'import venv, ensurepip' 2>/dev/null || apt_install "to fetch llama-server's sources" python3 python3-venv

peer_version=0.3.36
peer_sha256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mcp-bench/llama-server-$peer_version
peer=$cache/bin/llama-server

build_peer() {
  local work=$cache/work
  rm -rf -- "$work" && mkdir -p "$work" "$cache/bin"
  say "downloading the sources of llama-server (77 MB)"
  trust_system_certificates
  run "making a Python environment" "install Python 3.10 or newer with its venv module" python3 -m venv "$work/venv"
  run "pip" "run the same again" "$work/venv/bin/pip" download --no-input --no-deps --no-binary :all: --dest "$work" \
    "llama-cpp-python==$peer_version"
  echo "$peer_sha256  $work/llama_cpp_python-$peer_version.tar.gz" >"$work/expected"
  run "checking the digest" "the package index serves other sources than were pinned" sha256sum --check --quiet "$work/expected"
  tar -xzf "$work/llama_cpp_python-$peer_version.tar.gz" -C "$work"
  say "compiling llama-server (about ten minutes of processor time)"
  run "cmake" "read the first error above" \
    cmake -S "$work/llama_cpp_python-$peer_version/vendor/llama.cpp" -B "$work/build" \
    -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=OFF \
    -DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_BMI2=ON -DGGML_FMA=ON -DGGML_F16C=ON \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_UI=OFF \
    -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF
  run "compiling llama-server" "read the first error above" \
    cmake --build "$work/build" --target llama-server --parallel "$(nproc)"
  # Moved last, so that a build that broke off is not taken for a whole one.
  cp "$work/build/bin/llama-server" "$peer.new" && mv "$peer.new" "$peer"
  rm -rf -- "$work"
}

[ -x "$peer" ] || build_peer
# The same selection as `make up`, so that llama.cpp is not compiled again with other features of its build tools.
build "mcp and model-service" --release --quiet --package cli --package model-service
build "the bench" --release --quiet --package bench --bin model_service
exec "$target_dir/release/model_service" --service "$target_dir/release/model-service" --peer "$peer" "$@"
