# shellcheck shell=bash
# Sourced by every script, through prepare.sh or alone: what a person is told, above all when a step fails. A step that
# fails names its command, shows its last lines and says what to try.

set -Eeuo pipefail
trap 'unexpected "$?" "$BASH_COMMAND" "${BASH_SOURCE[0]}:$LINENO"' ERR

# Lines of its output that are shown when a step fails.
tail_lines=30
# The status of a script whose failure has been told, so that nobody tells it again.
told=70

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
[ -t 2 ] || say() { printf '%s\n' "$*" >&2; }
fail() { say "error: $1"; say "  try: $2"; exit "$told"; }

# run WHAT HINT COMMAND...: a step whose output nobody needs unless it fails. The hint is for failures that its output
# does not explain better.
run() {
  local what=$1 hint=$2 status=0 log
  shift 2
  log=$(mktemp)
  "$@" </dev/null >"$log" 2>&1 || status=$?
  if [ "$status" != 0 ]; then
    say "-- the last lines of: $*"
    tail -n "$tail_lines" "$log" | awk '{ print "  | " $0 }' >&2
    hint=$(hint_for "$log" "$hint")
  fi
  rm -f -- "$log"
  [ "$status" = 0 ] || failed_step "$what" "$status" "$hint" "$@"
}

# run_shown WHAT HINT COMMAND...: as `run`, with the output shown while it comes: for steps that take minutes.
run_shown() {
  local what=$1 hint=$2 status=0 log
  shift 2
  log=$(mktemp)
  "$@" </dev/null 2>&1 | tee "$log" >&2 || status=$?
  [ "$status" = 0 ] || hint=$(hint_for "$log" "$hint")
  rm -f -- "$log"
  [ "$status" = 0 ] || failed_step "$what" "$status" "$hint" "$@"
}

failed_step() {
  local what=$1 status=$2 hint=$3
  shift 3
  say "error: $what failed with status $status: $*"
  say "  try: $hint"
  exit "$told"
}

# hint_for LOG DEFAULT: what helps against the causes that every installer shares.
hint_for() {
  if grep -qiE 'certificate|self.signed|UNABLE_TO_(GET_ISSUER|VERIFY)|SSL: ' "$1"; then
    echo "your network's certificate authority is not known here: add it to the system's (on Debian: its .crt file into" \
      "/usr/local/share/ca-certificates, then update-ca-certificates), or name its file in NODE_EXTRA_CA_CERTS (npm)," \
      "PIP_CERT (pip), CARGO_HTTP_CAINFO (cargo) or SSL_CERT_FILE (others)"
  elif grep -qiE 'resolve|name resolution|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|timed out|Connection refused|unreachable' "$1"; then
    echo "the network did not answer: check it, and HTTPS_PROXY where there is a proxy; then run the same again"
  elif grep -qiE 'No space left|ENOSPC|disk quota' "$1"; then
    echo "the disk is full: free some space ('df -h' shows where); 'make clean' removes what was built"
  elif grep -qiE 'Permission denied|EACCES' "$1"; then
    echo "a file or folder may not be written by $(id -un): see its name above"
  else
    echo "$2"
  fi
}

# For whatever no step expected.
unexpected() {
  [ "$1" != "$told" ] || return 0
  say "error: status $1 from: $2 ($3)"
  say "  try: read its message above; 'bash -x' in front of the script shows each command"
  exit "$told"
}

# The file with the certificate authorities that this system trusts, if it has one where such files are.
system_certificates() {
  local file
  for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem; do
    if [ -r "$file" ]; then echo "$file"; return; fi
  done
}

# Node and uv bring certificate authorities of their own, and so do some versions of pip; the system may trust more, such
# as the one of a company's proxy. Whoever has set another file keeps it. curl, cargo and rustup ask the system anyway.
trust_system_certificates() {
  local file
  file=$(system_certificates)
  [ -n "$file" ] || return 0
  export NODE_EXTRA_CA_CERTS=${NODE_EXTRA_CA_CERTS:-$file} SSL_CERT_FILE=${SSL_CERT_FILE:-$file}
  if [ -z "${PIP_CERT:-}${REQUESTS_CA_BUNDLE:-}${CURL_CA_BUNDLE:-}" ] \
    && ! python3 -m pip config get global.cert >/dev/null 2>&1; then
    export PIP_CERT=$file
  fi
}
